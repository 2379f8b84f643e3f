"""The decoder that fills in what was taken out of a crop, from the encoder's coarsest map alone."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.objectives.local.reconstruction import Reduction, absolute_error, masked_reconstruction_loss

HALVINGS = 5
"""How often SwinUNETR's encoder halves every axis."""


class InpaintingDecoder(nn.Module):
    """Five times double every axis and halve the channels, then one map a channel of the picture.

    From the coarsest map alone, as in Swin UNETR's pre-training (arXiv:2111.14791), so that the encoder has to carry
    what is rebuilt; the layers are ours.

    Args:
        width: Channels of the coarsest map.
        channels: Channels of the picture.
        least: Channels below which halving stops.
    """

    def __init__(self, width: int, channels: int, *, least: int = 8) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        held = width
        for _ in range(HALVINGS):
            following = max(least, held // 2)
            layers += [nn.ConvTranspose3d(held, following, 2, stride=2), nn.GroupNorm(1, following), nn.GELU()]
            held = following
        self.layers = nn.Sequential(*layers, nn.Conv3d(held, channels, 3, padding=1))

    def forward(
        self, coarsest: Float[Tensor, "batch width depth height columns"]
    ) -> Float[Tensor, "batch channels full_depth full_height full_columns"]:
        """The picture at the size of the encoder's input."""
        picture: Tensor = self.layers(coarsest)
        return picture


def inpainting_loss(
    prediction: Float[Tensor, "batch channels depth height width"],
    target: Float[Tensor, "batch channels depth height width"],
    hidden: Bool[Tensor, "batch depth height width"],
    reduction: Reduction = "row",
) -> Float[Tensor, ""]:
    """Mean absolute error of the hidden voxels; nothing at a visible one reaches it.

    Shape:
        prediction, target: [batch, channels, depth, height, width]; hidden: the same without channels.
    """
    return masked_reconstruction_loss(
        prediction.flatten(2).transpose(1, 2),
        target.flatten(2).transpose(1, 2),
        hidden.flatten(1),
        absolute_error,
        reduction,
    )
