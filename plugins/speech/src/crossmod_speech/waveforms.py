"""Utterances of a whole corpus or of one minibatch: 16-bit samples, packed end to end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int16, Int64
from torch import Tensor

from crossmod.ragged import offsets_of

FULL_SCALE = 32768.0
"""What a 16-bit sample of amplitude 1 would be."""


@dataclass(frozen=True, eq=False)
class WaveformInputs:
    """Mono utterances of different lengths, two bytes a sample; satisfies `crossmod.contracts.batch.Inputs`.

    Args:
        sample_rate: Samples a second.

    Shape:
        samples: [total] int16; the utterances end to end.
        offsets: [utterances + 1] int64; utterance i holds the samples offsets[i] to offsets[i + 1].
    """

    samples: Int16[Tensor, "total"]
    offsets: Int64[Tensor, "bounds"]
    sample_rate: int

    def __len__(self) -> int:
        return int(self.offsets.shape[0]) - 1

    @property
    def lengths(self) -> Int64[Tensor, "utterances"]:
        """Samples of every utterance."""
        return self.offsets.diff()

    def take(self, index: Int64[Tensor, "chosen"]) -> WaveformInputs:
        """The utterances at `index`, in that order; an index may repeat."""
        starts, stops = self.offsets[index.to(self.offsets.device)], self.offsets[index.to(self.offsets.device) + 1]
        # Whole slices are copied: a gather would need eight bytes of index for every two of sound.
        parts = [self.samples[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        samples = torch.cat(parts) if parts else self.samples[:0]
        return WaveformInputs(samples, offsets_of(stops - starts), self.sample_rate)

    def to(self, device: torch.device | str) -> WaveformInputs:
        """The same utterances on another device."""
        return WaveformInputs(self.samples.to(device), self.offsets.to(device), self.sample_rate)

    def padded(self) -> Float[Tensor, "utterances longest"]:
        """Amplitudes from -1 to 1, zeros behind the shorter utterances."""
        lengths = self.lengths.tolist()
        longest = max(lengths, default=0)
        out = torch.zeros(len(self), longest, device=self.samples.device)
        start = 0
        for row, length in enumerate(lengths):
            out[row, :length] = self.samples[start : start + length]
            start += length
        return out.div_(FULL_SCALE)
