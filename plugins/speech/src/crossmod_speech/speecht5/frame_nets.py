"""How the decoder reads and writes frames of a spectrogram: its speech pre-net and post-net."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod_speech.speecht5.positions import ScaledPositions

POST_KERNEL, POST_LAYERS, POST_DROPOUT = 5, 5, 0.5


class SpokenFrames(NamedTuple):
    """What the decoder says.

    Shape:
        before: [batch, frames, bins]; ahead of the convolutions.
        after: [batch, frames, bins]; with what they add.
        stop: [batch, frames]; logits of "this frame is the last".
    """

    before: Float[Tensor, "batch frames bins"]
    after: Float[Tensor, "batch frames bins"]
    stop: Float[Tensor, "batch frames"]


class FramePreNet(nn.Module):
    """Two layers with dropout, a place, and the voice: frames to decoder tokens (Tacotron 2's pre-net).

    Its dropout stays on at inference: without it a decoder copies the frame before instead of reading the encoder.

    Args:
        bins: Of a frame.
        width: Of decoder tokens.
        voice: Width of the vector of a voice.
        hidden: Width of the two layers (256).
        dropout: Of both (0.5), in evaluation too.
    """

    def __init__(self, bins: int, width: int, voice: int, *, hidden: int = 256, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = dropout
        self.layers = nn.ModuleList([nn.Linear(bins, hidden), nn.Linear(hidden, hidden)])
        self.enter = nn.Linear(hidden, width)
        self.positions = ScaledPositions()
        self.voice = nn.Linear(width + voice, width)

    def forward(
        self, frames: Float[Tensor, "batch steps bins"], voice: Float[Tensor, "batch voice"], first: int = 0
    ) -> Float[Tensor, "batch steps width"]:
        """Tokens of the frames before each step, of which the first is step `first`.

        Shape:
            voice: [batch, voice]; normalised to length 1 here.
        """
        for layer in self.layers:
            frames = functional.dropout(functional.relu(layer(frames)), self.dropout, training=True)
        placed = self.positions(self.enter(frames), first)
        known = functional.normalize(voice, dim=-1).to(placed.dtype)[:, None].expand(-1, placed.shape[1], -1)
        return functional.relu(self.voice(torch.cat([placed, known], -1)))


class FramePostNet(nn.Module):
    """Decoder states to `reduction` frames each with their stop logits, and convolutions that add what was missing.

    Args:
        width: Of decoder states.
        bins: Of a frame.
        reduction: Frames a step (2 as published).
        channels: Of the convolutions (256 as published).
    """

    def __init__(self, width: int, bins: int, reduction: int = 2, *, channels: int = 256) -> None:
        super().__init__()
        self.reduction, self.bins = reduction, bins
        self.frames = nn.Linear(width, bins * reduction)
        self.stop = nn.Linear(width, reduction)
        widths = [bins, *[channels] * (POST_LAYERS - 1), bins]
        self.layers = nn.ModuleList(
            nn.Conv1d(enter, leave, POST_KERNEL, padding=POST_KERNEL // 2, bias=False)
            for enter, leave in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(leave) for leave in widths[1:])
        self.dropout = nn.Dropout(POST_DROPOUT)

    def forward(self, states: Float[Tensor, "batch steps width"], mask: Bool[Tensor, "batch frames"]) -> SpokenFrames:
        """Frames of the states; those where `mask` is false are zeros to the convolutions and not in their statistics.

        Shape:
            mask: [batch, steps * reduction]; true = frame of the utterance.
        """
        before = self.frames(states).unflatten(-1, (self.reduction, self.bins)).flatten(1, 2)
        stop = self.stop(states).flatten(1)
        return SpokenFrames(before, before + self.residual(before, mask), stop)

    def residual(
        self, frames: Float[Tensor, "batch frames bins"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames bins"]:
        """What the convolutions add."""
        hidden = ~mask[..., None]
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            mixed = layer(frames.masked_fill(hidden, 0.0).transpose(1, 2)).transpose(1, 2)
            normed = _over_real(norm, mixed, mask)
            frames = self.dropout(normed.tanh() if number < len(self.layers) - 1 else normed)
        return frames


def _over_real(norm: nn.Module, values: Tensor, mask: Tensor) -> Tensor:
    """Batch normalisation over real frames alone; zero elsewhere. No frame at all passes the statistics by."""
    real = values[mask]
    normed = norm(real) if len(real) > 1 or not norm.training else real
    return torch.zeros_like(values, dtype=normed.dtype).masked_scatter(mask[..., None], normed)
