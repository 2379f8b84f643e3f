"""Recordings to waveforms at one rate, which an encoder's front end makes features of (torch-free until `inputs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed, Processor
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.readers.reasons import UnusableSpeech
from crossmod_speech.readers.recordings import read_speech
from crossmod_speech.sources import speech_source

if TYPE_CHECKING:
    from crossmod_speech.waveforms import WaveformInputs

CLIPPED_SHARE = 0.001
"""Share of samples at full scale from which a recording counts as clipped."""


@dataclass(frozen=True)
class WaveformProcessor(Processor):
    """Recordings to mono waveforms.

    Args:
        front_end: What the encoder makes of them; it states the rate, and shorter recordings than one frame of it are
            rejected.
        longest_seconds: Longer recordings are cut there, and counted.
    """

    front_end: FrontEnd
    longest_seconds: float
    smallest_for_workers = 256
    items_a_chunk = 64

    @property
    def spec(self) -> Mapping[str, Any]:
        """Rate, unit, longest utterance and every switch of the front end."""
        return {
            "kind": "speech",
            "unit": "amplitude, -1 to 1",
            "channels": "mean",
            "longest_seconds": self.longest_seconds,
            **self.front_end.spec,
        }

    def process(self, items: Sequence[Any]) -> Processed:
        """Read recordings; one that cannot be used is rejected with a reason."""
        rate = self.front_end.sample_rate
        waveforms: list[npt.NDArray[np.int16]] = []
        accepted: list[int] = []
        rejected: list[tuple[int, str]] = []
        counts = {f"recordings cut at {self.longest_seconds:g} s": 0, "recordings that are clipped": 0}
        cut_name, clipped_name = counts
        for place, item in enumerate(items):
            source = speech_source(item)
            try:
                if source is None:
                    raise UnusableSpeech(f"a path was expected, not {_kind(item)}")
                samples, cut = read_speech(source, rate, self.longest_seconds)
                if self.front_end.frames(len(samples)) < 1:
                    raise UnusableSpeech(f"its {1000 * len(samples) / rate:.1f} ms are shorter than one frame")
            except UnusableSpeech as reason:
                rejected.append((place, str(reason)))
                continue
            waveforms.append(samples)
            accepted.append(place)
            counts[cut_name] += cut
            counts[clipped_name] += _is_clipped(samples)
        return Processed(
            arrays={
                "samples": np.concatenate(waveforms) if waveforms else np.empty(0, np.int16),
                "lengths": np.array([len(one) for one in waveforms], np.int64),
            },
            accepted=np.array(accepted, np.int64),
            rejected=rejected,
            counts={name: count for name, count in counts.items() if count},
        )

    def inputs(self, parts: Sequence[Processed]) -> WaveformInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod.ragged import offsets_of
        from crossmod_speech.waveforms import WaveformInputs

        samples = np.concatenate([part.arrays["samples"] for part in parts])
        lengths = np.concatenate([part.arrays["lengths"] for part in parts])
        return WaveformInputs(
            torch.from_numpy(samples), offsets_of(torch.from_numpy(lengths)), self.front_end.sample_rate
        )


def _is_clipped(samples: npt.NDArray[np.int16]) -> bool:
    return float((np.abs(samples.astype(np.int32)) >= 32767).mean()) > CLIPPED_SHARE


def _kind(item: Any) -> str:
    return "an empty text" if isinstance(item, str) and not item.strip() else f"a {type(item).__name__}"
