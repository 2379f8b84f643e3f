"""Learns the statistics of the training recordings: levels of the spectrogram's bands, and clusters of cepstra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.errors import UserError
from crossmod_speech.frontends.settings import SpeechT5LogMel
from crossmod_speech.processors import WaveformProcessor
from crossmod_speech.speecht5.cepstra import Cepstra
from crossmod_speech.speecht5.k_means import k_means
from crossmod_speech.speecht5.statistics import SpeechStatistics
from crossmod_speech.speecht5.target_settings import CepstralClusters, ClusterTargets
from crossmod_speech.waveforms import WaveformInputs

RECORDINGS_AT_ONCE = 64
LEAST_DEVIATION = 1e-3


def learn_statistics(
    items: Sequence[Any],
    waveforms: WaveformProcessor,
    spectrogram: SpeechT5LogMel,
    targets: ClusterTargets,
    most: int,
) -> SpeechStatistics:
    """Statistics of at most `most` of the recordings, evenly drawn from them.

    Raises:
        UserError: None can be read, or they have fewer frames than there are clusters.
    """
    chosen = [items[place] for place in np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)]
    front_end = spectrogram.build()
    cepstra = (
        Cepstra(targets.coefficients, targets.bins, centred=targets.centred)
        if isinstance(targets, CepstralClusters)
        else None
    )
    levels, frames = _Moments(), []
    for part in _read(chosen, waveforms):
        samples, lengths = part.padded(), part.lengths
        levels.add(*front_end(samples, lengths))
        if cepstra is not None:
            values, mask = cepstra(samples, lengths)
            frames.append(values[mask])
    if not levels.count:
        raise UserError(f"none of {len(chosen)} training recordings can be read; look at the corpus's recordings.")
    mean, deviation = levels.result()
    if not isinstance(targets, CepstralClusters):
        nothing = np.empty(0, np.float32)
        return SpeechStatistics(mean, deviation, nothing, nothing, nothing)
    return SpeechStatistics(mean, deviation, *_clusters(torch.cat(frames), targets))


def _read(items: Sequence[Any], waveforms: WaveformProcessor) -> Iterator[WaveformInputs]:
    for start in range(0, len(items), RECORDINGS_AT_ONCE):
        part = waveforms.process(items[start : start + RECORDINGS_AT_ONCE])
        if len(part.accepted):
            yield waveforms.inputs([part])


def _clusters(
    frames: Float[Tensor, "frames width"], targets: CepstralClusters
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Mean and deviation of the cepstra, and the centroids of the standardised ones."""
    if len(frames) < targets.clusters:
        raise UserError(
            f"the training recordings have {len(frames)} frames, too few for {targets.clusters} clusters; lower "
            "targets.clusters of the speech tower."
        )
    generator = torch.Generator().manual_seed(targets.seed)
    mean, deviation = frames.mean(0), frames.std(0).clamp_min(LEAST_DEVIATION)
    drawn = frames[torch.randperm(len(frames), generator=generator)[: targets.frames]]
    found = k_means(
        (drawn - mean) / deviation, targets.clusters, iterations=targets.iterations, generator=generator
    ).centroids
    return mean.numpy(), deviation.numpy(), found.numpy()


class _Moments:
    """Mean and deviation of frames that come in parts."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, values: Tensor, mask: Tensor) -> None:
        real = values[mask].double()
        self.count += len(real)
        self._sum, self._squares = self._sum + real.sum(0), self._squares + real.square().sum(0)

    def result(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        mean = self._sum / self.count
        deviation = (self._squares / self.count - mean.square()).clamp_min(0).sqrt().clamp_min(LEAST_DEVIATION)
        return mean.float().numpy(), deviation.float().numpy()
