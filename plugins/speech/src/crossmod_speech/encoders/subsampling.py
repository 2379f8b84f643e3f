"""Frames of a front end to fewer, wider tokens: strided convolutions that no padding leaks through."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod_speech.frontends.features import SpeechFeatures

KERNEL = 3
"""Frames that a convolution sees (Whisper, arXiv:2212.04356)."""


def subsampled_length(frames: Int64[Tensor, "*batch"], stride: int) -> Int64[Tensor, "*batch"]:
    """How many tokens so many frames give: ceil(frames / stride), for every stride that is a power of two.

    A convolution of kernel 3 and stride 2 with a zero at both ends gives floor((n - 1) / 2) + 1 = ceil(n / 2), and
    ceilings of halves of ceilings are those of quarters.

    >>> subsampled_length(torch.tensor([0, 1, 4, 5]), 4)
    tensor([0, 1, 1, 2])
    """
    return -(-frames // stride)


class ConvolutionalSubsampling(nn.Module):
    """Convolutions of stride 2 with GELU, then a layer norm; one of stride 1 where nothing is to be subsampled.

    Args:
        bins: Numbers a frame.
        width: Width of the tokens.
        stride: Frames a token; a power of two.
    """

    def __init__(self, bins: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.steps = [2] * int(math.log2(stride)) or [1]
        self.layers = nn.ModuleList(
            nn.Conv1d(width if above else bins, width, KERNEL, step, padding=KERNEL // 2)
            for above, step in enumerate(self.steps)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self, features: SpeechFeatures
    ) -> tuple[Float[Tensor, "batch tokens width"], Bool[Tensor, "batch tokens"]]:
        """Tokens and which of them are real.

        Shape:
            features: of [batch, frames, bins] -> [batch, ceil(frames / stride), width].
        """
        values = features.values.transpose(1, 2)
        lengths = features.mask.sum(1)
        for step, layer in zip(self.steps, self.layers, strict=True):
            values = functional.gelu(layer(values))
            lengths = subsampled_length(lengths, step)
            mask = torch.arange(values.shape[2], device=lengths.device) < lengths[:, None]
            # The next convolution sees zeros behind an utterance, as it would if the utterance stood alone.
            values = values.masked_fill(~mask[:, None], 0.0)
        return self.norm(values.transpose(1, 2)), mask
