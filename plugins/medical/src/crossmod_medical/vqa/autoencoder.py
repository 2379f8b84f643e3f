"""MEVF's autoencoder of grey images, whose bottleneck joins the visual vector (arXiv:1909.11867)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SIDE = 128
"""Height and width, in pixels, that images are brought to for it."""

BOTTLENECK = 16 * 32 * 32


def grey_images(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1 128 128"]:
    """The mean of the channels on 128 x 128 pixels."""
    return functional.interpolate(x.mean(1, keepdim=True), (SIDE, SIDE), mode="bilinear", antialias=True)


class GreyAutoencoder(nn.Module):
    """1 x 128 x 128 to 16 x 32 x 32 = 16,384 and back.

    The sizes at both ends are published; the two strided layers between them are ours, a fifth of the work of
    convolutions followed by pooling.

    Args:
        width: What the bottleneck is projected to (64).
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.down = nn.Sequential(
            *(nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 16, 4, stride=2, padding=1), nn.ReLU()),
        )
        self.up = nn.Sequential(
            *(nn.ConvTranspose2d(16, 16, 4, stride=2, padding=1), nn.ReLU()),
            nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        )
        self.project = nn.Linear(BOTTLENECK, width)

    def forward(self, grey: Float[Tensor, "batch 1 128 128"]) -> Float[Tensor, "batch width"]:
        """The projected bottleneck."""
        projected: Tensor = self.project(self.down(grey).flatten(1))
        return projected

    def reconstruct(self, grey: Float[Tensor, "batch 1 128 128"]) -> Float[Tensor, "batch 1 128 128"]:
        """The image again."""
        rebuilt: Tensor = self.up(self.down(grey))
        return rebuilt
