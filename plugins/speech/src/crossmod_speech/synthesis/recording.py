"""From a voice and its lines to one long FLAC file, with a table that says where each line stands in it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossmod.errors import UserError
from crossmod.runs.atomic import write_atomic, write_text
from crossmod.sources.draw import Draw
from crossmod_speech.synthesis.engine import Synthesiser
from crossmod_speech.synthesis.noise import babble, noise_of
from crossmod_speech.synthesis.script import Line
from crossmod_speech.synthesis.voices import Voice

VERSION = 1
"""Raise it when the same lines give other samples."""

SAMPLE_RATE = 16_000
GAP_SECONDS = 0.2
LARGEST_AMPLITUDE = 0.98


@dataclass(frozen=True)
class Recording:
    """One voice and all that it says."""

    voice: Voice
    lines: tuple[Line, ...]

    @cached_property
    def stem(self) -> str:
        """The name of its files, which changes with everything that is heard."""
        heard = repr((VERSION, astuple(self.voice), [astuple(line) for line in self.lines]))
        return f"{self.voice.name}-{hashlib.sha256(heard.encode()).hexdigest()[:12]}"

    def audio(self, folder: Path) -> Path:
        """The FLAC file."""
        return folder / f"{self.stem}.flac"

    def times(self, folder: Path) -> Path:
        """The table of the places of lines, which is written last: where it stands, the recording is whole."""
        return folder / f"{self.stem}.tsv"

    def is_written(self, folder: Path) -> bool:
        """Whether both files are there."""
        return self.times(folder).is_file() and self.audio(folder).is_file()


def speak(recording: Recording) -> tuple[npt.NDArray[np.float32], list[tuple[float, float]]]:
    """The samples at 16 kHz, and start and end of every line in seconds."""
    voice = recording.voice
    if any(line.noise == "babble" for line in recording.lines):
        # The engine speaks for one at a time, and the babble needs it too.
        babble(SAMPLE_RATE)
    parts: list[npt.NDArray[np.float32]] = []
    times: list[tuple[float, float]] = []
    gap = np.zeros(round(GAP_SECONDS * SAMPLE_RATE), np.float32)
    at = 0
    with Synthesiser() as engine:
        for number, line in enumerate(recording.lines):
            samples = _utterance(engine, voice, line, Draw(voice.name, number, line.text, "noise"))
            times.append((at / SAMPLE_RATE, (at + len(samples)) / SAMPLE_RATE))
            parts += [samples, gap]
            at += len(samples) + len(gap)
    return np.concatenate(parts), times


def write_missing(recordings: Sequence[Recording], folder: str) -> int:
    """Write the recordings that are not there yet; returns how many were."""
    written = 0
    for recording in recordings:
        if not recording.is_written(Path(folder)):
            _write(recording, Path(folder))
            written += 1
    return written


def read_times(recording: Recording, folder: Path) -> list[tuple[float, float]]:
    """Start and end of every line of a written recording.

    Raises:
        UserError: The table is not as it was written.
    """
    path = recording.times(folder)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            times = [(float(row["start"]), float(row["end"])) for row in csv.DictReader(stream, delimiter="\t")]
    except (KeyError, TypeError, ValueError):
        times = []
    if len(times) != len(recording.lines):
        raise UserError(f"{path} is damaged; delete it, and the voice is recorded again.")
    return times


def _utterance(engine: Synthesiser, voice: Voice, line: Line, draw: Draw) -> npt.NDArray[np.float32]:
    import soxr

    said = engine.say(
        f"{line.text}?" if line.is_question else line.text,
        voice=voice.engine_name,
        words_per_minute=voice.words_per_minute,
        pitch=voice.pitch,
        pitch_range=voice.pitch_range,
    )
    speech = soxr.resample(said.astype(np.float64), engine.sample_rate, SAMPLE_RATE, quality="VHQ")
    before, after = (round(seconds * SAMPLE_RATE) for seconds in line.margins_seconds)
    level = 10 ** (line.level_db / 20)
    speech *= level / max(np.sqrt(np.mean(speech**2)), 1.0)
    sound = np.concatenate([np.zeros(before), speech, np.zeros(after)])
    if line.signal_to_noise_db is not None:
        noise = noise_of(line.noise, len(sound), SAMPLE_RATE, draw)
        sound += level * 10 ** (-line.signal_to_noise_db / 20) * noise
    return np.asarray(sound / max(1.0, np.abs(sound).max() / LARGEST_AMPLITUDE), np.float32)


def _write(recording: Recording, folder: Path) -> None:
    import soundfile

    samples, times = speak(recording)
    write_atomic(
        recording.audio(folder),
        lambda part: soundfile.write(part, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16"),
    )
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(["start", "end", "text"])
    table.writerows(
        [f"{start:.7f}", f"{end:.7f}", line.text] for (start, end), line in zip(times, recording.lines, strict=True)
    )
    write_text(recording.times(folder), text.getvalue())
