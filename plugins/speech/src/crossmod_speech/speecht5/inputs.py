"""Utterances with the cluster of every frame, where a file states them: of a whole corpus or of one minibatch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int16, Int64
from torch import Tensor

from crossmod.ragged import gather_runs
from crossmod_speech.waveforms import WaveformInputs


@dataclass(frozen=True, eq=False)
class UtteranceInputs:
    """Utterances; satisfies `crossmod.contracts.batch.Inputs`.

    Args:
        waveforms: The samples.

    Shape:
        clusters: [total] int16, the clusters of the encoder's frames, end to end; none where no file states them.
        offsets: [utterances + 1] int64, where those of each utterance begin.
    """

    waveforms: WaveformInputs
    clusters: Int16[Tensor, "total"]
    offsets: Int64[Tensor, "bounds"]

    def __len__(self) -> int:
        return len(self.waveforms)

    def take(self, index: Int64[Tensor, "chosen"]) -> UtteranceInputs:
        """The utterances at `index`, in that order; an index may repeat."""
        places, offsets = gather_runs(self.offsets, index)
        return UtteranceInputs(self.waveforms.take(index), self.clusters[places], offsets)

    def to(self, device: torch.device | str) -> UtteranceInputs:
        """The same utterances on another device."""
        return UtteranceInputs(self.waveforms.to(device), self.clusters.to(device), self.offsets.to(device))
