"""Utterances longer than a tower's window: one is drawn in training, and the mean is taken over all otherwise."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower
from crossmod.ragged import offsets_of
from crossmod_speech.encoders.windows import Fill, filled, window_starts
from crossmod_speech.waveforms import WaveformInputs

Evaluation = Literal["average", "centre", "start"]


class WindowedSpeechTower(Tower):
    """A tower over windows of utterances; in evaluation nothing is drawn, so that a recording has one embedding.

    Args:
        processor: What makes the whole utterances.
        tower: Encodes a window.
        window_samples: Samples of a window.
        fill: What stands behind utterances that are shorter.
        evaluation: The windows that count outside of training.
        overlap: Share of a window that neighbours at least have in common, where all count.
    """

    def __init__(
        self,
        processor: Processor,
        tower: Tower,
        *,
        window_samples: int,
        fill: Fill,
        evaluation: Evaluation = "average",
        overlap: float = 0.0,
    ) -> None:
        super().__init__()
        self.processor, self.width, self.tower = processor, tower.width, tower
        self.window_samples, self.fill = window_samples, fill
        self.evaluation, self.overlap = evaluation, overlap

    def forward(self, inputs: WaveformInputs, /) -> Features:
        """Encode utterances; tokens are those of all windows that were heard, one window after the other."""
        starts = [self._starts(length) for length in inputs.lengths.tolist()]
        heard: Features = self.tower(self._cut(inputs, starts))
        counts = torch.tensor([len(each) for each in starts], dtype=torch.int64, device=heard.pooled.device)
        if not len(inputs) or bool((counts == 1).all()):
            return Features(heard.pooled, heard.tokens, heard.mask)
        rows = torch.repeat_interleave(counts)
        summed = heard.pooled.new_zeros(len(counts), self.width).index_add(0, rows, heard.pooled)
        pooled = summed / counts[:, None]
        if heard.tokens is None or heard.mask is None:
            return Features(pooled)
        return Features(pooled, *_joined(heard.tokens, heard.mask, rows, counts))

    def _starts(self, length: int) -> list[int]:
        slack = max(length - self.window_samples, 0)
        if self.training:
            return [int(torch.randint(slack + 1, ()))] if slack else [0]
        if self.evaluation == "average":
            return window_starts(length, self.window_samples, self.overlap)
        return [slack // 2 if self.evaluation == "centre" else 0]

    def _cut(self, inputs: WaveformInputs, starts: list[list[int]]) -> WaveformInputs:
        window = self.window_samples
        parts = [
            filled(inputs.samples[first + at : min(first + at + window, last)], window, self.fill)
            for first, last, each in zip(inputs.offsets[:-1].tolist(), inputs.offsets[1:].tolist(), starts, strict=True)
            for at in each
        ]
        lengths = torch.tensor([len(part) for part in parts], dtype=torch.int64, device=inputs.offsets.device)
        samples = torch.cat(parts) if parts else inputs.samples[:0]
        return WaveformInputs(samples, offsets_of(lengths), inputs.sample_rate)


def _joined(
    tokens: Float[Tensor, "windows length width"],
    mask: Bool[Tensor, "windows length"],
    rows: Int64[Tensor, "windows"],
    counts: Int64[Tensor, "batch"],
) -> tuple[Float[Tensor, "batch most width"], Bool[Tensor, "batch most"]]:
    """The tokens of each utterance's windows behind each other."""
    place = torch.arange(len(rows), device=rows.device) - offsets_of(counts)[rows]
    shape = (len(counts), int(counts.max()))
    joined = tokens.new_zeros(*shape, *tokens.shape[1:]).index_put((rows, place), tokens)
    joined_mask = mask.new_zeros(*shape, mask.shape[1]).index_put((rows, place), mask)
    return joined.flatten(1, 2), joined_mask.flatten(1, 2)
