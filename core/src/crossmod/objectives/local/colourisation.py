"""Text-guided colourisation: rebuild the colours of a grey picture from its description (PLIP, arXiv:2305.08386)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.objectives.pairs.precision import widened


class TextChannelAttention(nn.Module):
    """Weighs channels by picture and text: softmax(FC([max over places of the map; text])), times the channels.

    The weights have mean one (softmax times the number of channels) so that the map keeps its scale [ours].

    Args:
        channels: Channels of the map.
        text_width: Width of the text vector.
        reduction: Factor by which the hidden layer is narrower than its input. (4 is our choice.) [ours]
    """

    def __init__(self, channels: int, text_width: int, reduction: int = 4) -> None:
        super().__init__()
        joined = channels + text_width
        hidden = max(1, joined // reduction)
        self.score = nn.Sequential(nn.Linear(joined, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(
        self, picture: Float[Tensor, "batch channels rows columns"], text: Float[Tensor, "batch text_width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Scale the map's channels.

        Shape:
            picture: [batch, channels, rows, columns].
            text: [batch, text_width].
        """
        weight = self.score(torch.cat([picture.amax((2, 3)), text], 1)).softmax(1) * picture.shape[1]
        scaled: Tensor = picture * weight[..., None, None]
        return scaled


class TextGuidedColouriser(nn.Module):
    """Maps of several scales brought to the finest, joined, and decoded to colours under the text's guidance.

    Two rounds of channel attention and a stride-2 deconvolution, then a convolution to the colours. Widths and
    activations are not given in the paper. [ours]

    Args:
        channels: Channels of each stage's map, finest first.
        text_width: Width of the text vector.
        width: Channels after the stages are joined; halved by every deconvolution.
        colours: Channels of the picture.
    """

    def __init__(self, channels: Sequence[int], text_width: int, *, width: int = 128, colours: int = 3) -> None:
        super().__init__()
        widths = (width, width // 2, width // 4)
        self.join = nn.Conv2d(sum(channels), width, 1)
        self.guide = nn.ModuleList(TextChannelAttention(each, text_width) for each in widths[:2])
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.predict = nn.Conv2d(widths[2], colours, 3, padding=1)

    def forward(
        self,
        stages: Sequence[Float[Tensor, "batch channels rows columns"]],
        text: Float[Tensor, "batch text_width"],
        size: Sequence[int],
    ) -> Float[Tensor, "batch colours height columns_out"]:
        """Predict the colour picture of `size` (rows, columns).

        Shape:
            stages: each [batch, channels, rows, columns], finest first, of the grey picture.
            text: [batch, text_width].
        """
        finest = stages[0].shape[2:]
        grown = [functional.interpolate(stage, finest, mode="bilinear", align_corners=False) for stage in stages]
        picture = self.join(torch.cat(grown, 1))
        for guide, grow in zip(self.guide, self.grow, strict=True):
            picture = functional.gelu(grow(guide(picture, text)))
        sized = functional.interpolate(picture, tuple(size), mode="bilinear", align_corners=False)
        predicted: Tensor = self.predict(sized)
        return predicted


def colourisation_loss(
    prediction: Float[Tensor, "batch colours rows columns"], target: Float[Tensor, "batch colours rows columns"]
) -> Float[Tensor, ""]:
    """The mean over pixels and samples of the squared Euclidean distance between predicted and true colour.

    The paper states a mean over the batch of pixel distances; the mean over pixels keeps the figure independent of
    the picture's size [ours].

    Shape:
        prediction, target: [batch, colours, rows, columns].

    Returns:
        The loss, in float32 at least; zero with gradient for an empty batch.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"predicted colours of {list(prediction.shape)} and true ones of {list(target.shape)} differ in shape; "
            "predict at the picture's size"
        )
    wide = widened(prediction)
    distance = (wide - target.detach().to(wide.dtype)).square().sum(1)
    return distance.sum() / max(1, distance.numel())


def to_grey(picture: Float[Tensor, "batch 3 rows columns"]) -> Float[Tensor, "batch 3 rows columns"]:
    """The luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) in all three channels; for values before normalisation."""
    weight = picture.new_tensor([0.299, 0.587, 0.114])
    return torch.einsum("bchw,c->bhw", picture, weight)[:, None].expand_as(picture)
