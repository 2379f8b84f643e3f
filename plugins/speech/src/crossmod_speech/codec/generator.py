"""The codec's decoder: HiFi-GAN's generator, latent frames to a waveform (arXiv:2010.05646)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1
"""Of the leaky rectifiers."""


class ResidualConvolutions(nn.Module):
    """x + plain(dilated(x)), once for each dilation.

    Args:
        channels: Channels.
        kernel: Odd.
        dilations: Of the first convolution of each pair.
    """

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(_convolution(channels, channels, kernel, dilation) for dilation in dilations)
        self.plain = nn.ModuleList(_convolution(channels, channels, kernel) for _ in dilations)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch channels time"]:
        """Transform."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            x = x + plain(functional.leaky_relu(dilated(functional.leaky_relu(x, SLOPE)), SLOPE))
        return x


class Generator(nn.Module):
    """Transposed convolutions up to the rate of samples, each followed by the mean of several receptive fields.

    Frames see what stands beside them, so an utterance is decoded alone and not beside padding.

    Args:
        width: Width of the latent frames.
        channels: Channels before the first transposed convolution; each halves them. (1024 in DistilCodec.)
        upsampling: Factors; their product is the samples a frame. (8, 4, 2, 2, 2.)
        upsampling_kernels: Each at least its factor, both even or both odd. (16, 12, 4, 4, 4.)
        field_kernels: Kernels of the receptive fields. (3, 7, 11.)
        dilations: Dilations of each of them. (1, 3, 5.)
        outer_kernel: Kernel of the first and of the last convolution. (13.)
    """

    def __init__(
        self,
        width: int,
        channels: int,
        upsampling: Sequence[int],
        upsampling_kernels: Sequence[int],
        field_kernels: Sequence[int],
        dilations: Sequence[int],
        outer_kernel: int = 13,
    ) -> None:
        super().__init__()
        self.hop = prod(upsampling)
        self.enter = _convolution(width, channels, outer_kernel)
        rises, fields = [], []
        for factor, kernel in zip(upsampling, upsampling_kernels, strict=True):
            rise = nn.ConvTranspose1d(channels, channels // 2, kernel, factor, padding=(kernel - factor) // 2)
            rises.append(weight_norm(rise))
            channels //= 2
            fields.append(nn.ModuleList(ResidualConvolutions(channels, size, dilations) for size in field_kernels))
        self.rises, self.fields = nn.ModuleList(rises), nn.ModuleList(fields)
        self.leave = _convolution(channels, 1, outer_kernel)

    def forward(self, latents: Float[Tensor, "batch frames width"]) -> Float[Tensor, "batch samples"]:
        """Waveforms of latent frames, amplitudes from -1 to 1.

        Shape:
            latents: [batch, frames, width] -> [batch, frames * hop].
        """
        x = self.enter(latents.transpose(1, 2))
        for rise, fields in zip(self.rises, self.fields, strict=True):
            assert isinstance(fields, nn.ModuleList)
            risen = rise(functional.leaky_relu(x, SLOPE))
            x = torch.stack([field(risen) for field in fields]).mean(0)
        return torch.tanh(self.leave(functional.leaky_relu(x, SLOPE)))[:, 0]


def _convolution(channels_in: int, channels_out: int, kernel: int, dilation: int = 1) -> nn.Module:
    """Of unchanged length, weight-normalised.

    HiFi-GAN draws its weights with deviation 0.01, so that codes are hardly heard for the first thousands of steps;
    torch's own initialisation lets them be heard from the first [ours].
    """
    padding = dilation * (kernel - 1) // 2
    normalised: nn.Module = weight_norm(
        nn.Conv1d(channels_in, channels_out, kernel, dilation=dilation, padding=padding)
    )
    return normalised
