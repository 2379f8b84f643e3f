"""Recordings to waveforms, with the clusters of their frames where a file states them (torch-free until `inputs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmod.contracts.processor import Processed, Processor
from crossmod.text.fingerprint import require_file, sha256
from crossmod.text.packing import joined
from crossmod_speech.frontends.settings import SpeechT5LogMel
from crossmod_speech.processors import WaveformProcessor
from crossmod_speech.readers.reasons import UnusableSpeech
from crossmod_speech.sources import speech_source
from crossmod_speech.speecht5.label_file import FrameLabels
from crossmod_speech.speecht5.stack import StackShape
from crossmod_speech.speecht5.statistics import SpeechStatistics
from crossmod_speech.speecht5.target_settings import ClusterTargets

if TYPE_CHECKING:
    from crossmod_speech.speecht5.inputs import UtteranceInputs

FILE = "statistics.json"


class SpeechT5Processor(Processor):
    """Recordings to mono waveforms; the levels of bands and the clusters that were learned on training ones go along.

    Args:
        waveforms: Reads recordings.
        spectrogram: What the decoder speaks.
        shape: Of the encoder's convolutions; recordings that do not fill one frame are rejected.
        targets: Where clusters come from.
        statistics: What was learned.
        labels: Clusters that a file states; None where they are those of the statistics.
    """

    smallest_for_workers = WaveformProcessor.smallest_for_workers
    items_a_chunk = WaveformProcessor.items_a_chunk

    def __init__(
        self,
        waveforms: WaveformProcessor,
        spectrogram: SpeechT5LogMel,
        shape: StackShape,
        targets: ClusterTargets,
        statistics: SpeechStatistics,
        labels: FrameLabels | None,
    ) -> None:
        self.waveforms, self.spectrogram, self.shape = waveforms, spectrogram, shape
        self.targets, self.statistics, self.labels = targets, statistics, labels

    @property
    def spec(self) -> Mapping[str, Any]:
        """That of the waveforms, every switch of spectrogram and targets, and the hash of what was learned."""
        return {
            **self.waveforms.spec,
            "kind": "speech of SpeechT5",
            "spectrogram": dict(self.spectrogram.spec),
            "convolutions": {"kernels": list(self.shape.kernels), "strides": list(self.shape.strides)},
            **self.targets.spec,
            "statistics_sha256": sha256(self.statistics.content),
        }

    def files(self) -> Mapping[str, bytes]:
        """The statistics."""
        return {FILE: self.statistics.content}

    def process(self, items: Sequence[Any]) -> Processed:
        """Read recordings; one that cannot be used is rejected with a reason."""
        read = self.waveforms.process(items)
        lengths, bounds = read.arrays["lengths"], np.cumsum(read.arrays["lengths"])
        rejected, kept, clusters = list(read.rejected), [], []
        for number, place in enumerate(read.accepted.tolist()):
            try:
                clusters.append(self._clusters(items[place], int(lengths[number])))
            except UnusableSpeech as reason:
                rejected.append((place, str(reason)))
                continue
            kept.append(number)
        samples = [read.arrays["samples"][bounds[number] - lengths[number] : bounds[number]] for number in kept]
        counts = dict(read.counts)
        if self.labels is not None and (unknown := sum(not len(each) for each in clusters)):
            counts["recordings without stated clusters, of which no frame is predicted"] = unknown
        return Processed(
            arrays={
                "samples": np.concatenate([np.empty(0, np.int16), *samples]),
                "lengths": lengths[kept],
                "clusters": np.concatenate([np.empty(0, np.int16), *clusters]),
                "cluster_lengths": np.array([len(each) for each in clusters], np.int64),
            },
            accepted=read.accepted[kept],
            rejected=sorted(rejected),
            counts=counts,
        )

    def _clusters(self, item: Any, samples: int) -> np.ndarray[Any, np.dtype[np.int16]]:
        frames, source = self.shape.frames(samples), speech_source(item)
        assert source is not None
        if frames < 1:
            milliseconds = 1000 * samples / self.waveforms.front_end.sample_rate
            raise UnusableSpeech(f"its {milliseconds:.1f} ms are shorter than one frame")
        if self.labels is None:
            return np.empty(0, np.int16)
        most = self.waveforms.longest_seconds * self.waveforms.front_end.sample_rate
        return self.labels.of(source, frames, cut=samples >= int(most))

    def inputs(self, parts: Sequence[Processed]) -> UtteranceInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod.ragged import offsets_of
        from crossmod_speech.speecht5.inputs import UtteranceInputs

        counts = torch.from_numpy(joined(parts, "cluster_lengths", np.int64))
        clusters = torch.from_numpy(joined(parts, "clusters", np.int16))
        return UtteranceInputs(self.waveforms.inputs(parts), clusters, offsets_of(counts))


def held_statistics(spec: Mapping[str, Any], files: Mapping[str, bytes]) -> SpeechStatistics:
    """The statistics of a checkpoint.

    Raises:
        UserError: They are missing, or not those that it was trained with.
    """
    return SpeechStatistics.read(require_file(files, FILE, str(spec.get("statistics_sha256", ""))))
