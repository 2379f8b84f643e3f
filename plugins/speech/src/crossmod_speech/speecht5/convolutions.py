"""The convolutions that read a waveform (wav2vec 2.0, arXiv:2006.11477), as in SpeechT5's speech encoder pre-net."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod_speech.frontends.features import SpeechFeatures
from crossmod_speech.speecht5.stack import StackShape

EPSILON = 1e-5

UTTERANCES_AT_ONCE = 8
"""On a processor utterances of like lengths are convolved together: what is behind the shorter ones costs as much."""


class ChannelNorm(nn.Module):
    """Every channel of every utterance to mean 0 and deviation 1 over its own frames, then scaled and shifted.

    Group normalisation with a group a channel, as after wav2vec 2.0's first convolution; theirs counts the padding, by
    which a batch changes its members.

    Args:
        channels: How many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self, values: Float[Tensor, "batch channels frames"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch channels frames"]:
        """Normalise.

        Shape:
            mask: [batch, frames]; true = frame of the utterance.
        """
        real = mask[..., None].to(values.dtype)
        count = mask.sum(1)[:, None, None].clamp(min=1)
        # Products with the mask take the sums, and one more pass scales: these are the largest tensors of the tower.
        mean = values @ real / count
        variance = (values.square() @ real / count - mean.square()).clamp(min=0)
        scale = self.weight[:, None] * (variance + EPSILON).rsqrt()
        normed: Tensor = torch.addcmul(self.bias[:, None] - mean * scale, values, scale)
        return normed


class ConvolutionStack(nn.Module):
    """Convolutions without padding and bias, GELU behind each, the channels normalised behind the first.

    Args:
        channels: Of every layer (512 as published).
        shape: Kernels and strides.
        gradient: Factor on the gradient that enters it (0.1 as published).
    """

    def __init__(self, channels: int, shape: StackShape, *, gradient: float = 0.1) -> None:
        super().__init__()
        self.channels, self.shape, self.gradient = channels, shape, gradient
        self.layers = nn.ModuleList(
            nn.Conv1d(channels if number else 1, channels, kernel, stride, bias=False)
            for number, (kernel, stride) in enumerate(zip(shape.kernels, shape.strides, strict=True))
        )
        for layer in self.layers:
            assert isinstance(layer, nn.Conv1d)
            nn.init.kaiming_normal_(layer.weight)
        self.norm = ChannelNorm(channels)

    def forward(
        self, heard: SpeechFeatures
    ) -> tuple[Float[Tensor, "batch frames channels"], Bool[Tensor, "batch frames"]]:
        """Features and which of them belong to their utterance; the others are zero.

        Args:
            heard: Waveforms, a frame of one number a sample; the longest makes at least one frame here.
        """
        samples, lengths = heard.values[..., 0], heard.mask.sum(1)
        if samples.device.type != "cpu" or len(samples) <= UTTERANCES_AT_ONCE:
            return self._convolved(samples, lengths)
        most, order = self.shape.frames(int(lengths.max())), lengths.argsort(descending=True, stable=True)
        parts = []
        for chosen in torch.split(order, UTTERANCES_AT_ONCE):
            longest = max(int(lengths[chosen[0]]), self.shape.reach)
            values, _ = self._convolved(samples[chosen, :longest], lengths[chosen])
            parts.append(functional.pad(values, (0, 0, 0, most - values.shape[1])))
        counts = torch.tensor([self.shape.frames(length) for length in lengths.tolist()])
        return torch.cat(parts)[order.argsort()], _first(counts, most)

    def _convolved(
        self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]
    ) -> tuple[Float[Tensor, "batch frames channels"], Bool[Tensor, "batch frames"]]:
        values, counts = samples[:, None], lengths
        for number, layer in enumerate(self.layers):
            values = layer(values)
            counts = ((counts - self.shape.kernels[number]) // self.shape.strides[number] + 1).clamp(min=0)
            if not number:
                values = self.norm(values, _first(counts, values.shape[-1]))
            values = functional.gelu(values)
        if values.requires_grad and self.gradient != 1:
            values.register_hook(lambda gradient: gradient * self.gradient)  # type: ignore[no-untyped-call]
        mask = _first(counts, values.shape[-1])
        return values.transpose(1, 2).masked_fill(~mask[..., None], 0.0), mask


def _first(counts: Tensor, places: int) -> Bool[Tensor, "batch places"]:
    return torch.arange(places, device=counts.device) < counts[:, None]
