"""Reads HuBERT's files of clusters: a manifest of recordings, and beside it a line of numbers for each (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossmod.errors import UserError
from crossmod_speech.readers.reasons import UnusableSpeech
from crossmod_speech.sources import SpeechSource

LABELS_A_SECOND = 50
Labels = npt.NDArray[np.int16]


@dataclass(frozen=True)
class FrameLabels:
    """The clusters of whole recordings, by path.

    Args:
        of_path: For each recording, its clusters.
    """

    of_path: Mapping[str, Labels]

    def of(self, source: SpeechSource, frames: int, *, cut: bool = False) -> Labels:
        """The clusters of a source's frames; empty where the files do not know its recording.

        Labels of one frame more or less than the encoder makes are cut, or the last one is repeated.

        Args:
            source: The recording and its part.
            frames: Frames that the encoder makes of it.
            cut: Whether the recording goes on behind what is read of it.

        Raises:
            UnusableSpeech: They are off by more than one frame.
        """
        found = self.of_path.get(str(Path(source.path).absolute()))
        if found is None or source.archive:
            return np.empty(0, np.int16)
        start = round(source.start_seconds * LABELS_A_SECOND)
        stop = None if source.end_seconds is None else round(source.end_seconds * LABELS_A_SECOND)
        labels = found[start:stop]
        labels = labels[:frames] if cut else labels
        if abs(len(labels) - frames) > 1 or not len(labels):
            raise UnusableSpeech(f"{len(labels)} clusters are stated for its {frames} frames")
        return np.concatenate([labels, labels[-1:]])[:frames]


def read_frame_labels(manifest: str, labels: str, clusters: int) -> FrameLabels:
    """The clusters of every recording of a manifest; of none where neither file is there.

    Raises:
        UserError: One file is missing, they have different numbers of lines, or a line is not what it should be.
    """
    paths = [Path(manifest), Path(labels)]
    absent = [path for path in paths if not path.is_file()]
    if len(absent) == len(paths):
        return FrameLabels({})
    if absent:
        raise UserError(f"there is no file {absent[0]}; ClusterFile reads a manifest and its labels.")
    (root, *rows), numbers = (path.read_text(encoding="utf-8").splitlines() for path in paths)
    if len(rows) != len(numbers):
        raise UserError(
            f"{manifest} names {len(rows)} recordings and {labels} has {len(numbers)} lines; take files of one run."
        )
    of_path = {}
    for line, (row, text) in enumerate(zip(rows, numbers, strict=True), start=1):
        try:
            values = np.array(text.split(), np.int16)
        except (ValueError, OverflowError):
            raise UserError(f"line {line} of {labels} holds more than numbers of clusters.") from None
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < clusters:
            raise UserError(
                f"line {line} of {labels} holds cluster {int(values.max())}, and clusters is {clusters}; raise it."
            )
        of_path[str((Path(root) / row.split("\t")[0]).absolute())] = values
    return FrameLabels(of_path)
