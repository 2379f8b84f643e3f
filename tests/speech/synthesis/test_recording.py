"""Recordings: a long file a voice, segments where the table says, speech above the noise as stated, whole or absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crossmod.errors import UserError
from crossmod_speech.readers.recordings import read_speech
from crossmod_speech.sources import SpeechSource
from crossmod_speech.synthesis import recording as recording_module
from crossmod_speech.synthesis.recording import SAMPLE_RATE, Recording, read_times, speak, write_missing
from crossmod_speech.synthesis.script import Line
from crossmod_speech.synthesis.voices import draw_voices

VOICE = draw_voices(5, 0.0, 0)[0]
LINES = (
    Line("yes", keyword="yes"),
    Line("turn on the lights", intent="lights_on"),
    Line("is it late", is_question=True),
)


def root_mean_square(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def test_segments_are_what_was_said(tmp_path: Path) -> None:
    recording = Recording(VOICE, LINES)
    samples, times = speak(recording)
    assert write_missing([recording], str(tmp_path)) == 1
    assert read_times(recording, tmp_path) == times
    for start, end in times:
        said, cut = read_speech(SpeechSource(str(recording.audio(tmp_path)), start, end), SAMPLE_RATE, 10.0)
        own = samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
        assert not cut and len(said) == len(own)
        assert np.abs(said / 32768.0 - own).max() < 2 / 32768
    between = samples[round(times[0][1] * SAMPLE_RATE) : round(times[1][0] * SAMPLE_RATE)]
    assert len(between) == 3200 and not between.any()


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    recordings = [Recording(VOICE, LINES), Recording(VOICE, LINES[:1])]
    assert write_missing(recordings, str(tmp_path)) == 2
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert write_missing(recordings, str(tmp_path)) == 0
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before and len(before) == 4


def test_equal_recordings_have_equal_bytes(tmp_path: Path) -> None:
    recording = Recording(VOICE, (*LINES, Line("no", noise="babble", signal_to_noise_db=5)))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_missing([recording], str(tmp_path / name))
    assert recording.audio(tmp_path / "a").read_bytes() == recording.audio(tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", ["", "start\tend\n0\tx\n", "start\tend\ttext\n0.0\t1.0\tyes\n", "begin\n0\n"])
def test_a_damaged_table_of_times_is_named(tmp_path: Path, content: str) -> None:
    recording = Recording(VOICE, LINES)
    recording.times(tmp_path).write_text(content)
    with pytest.raises(UserError, match="is damaged; delete it"):
        read_times(recording, tmp_path)


def test_everything_that_is_heard_is_in_the_name() -> None:
    stem = Recording(VOICE, LINES).stem
    changed = [
        Recording(replace(VOICE, pitch=VOICE.pitch + 1), LINES),
        Recording(VOICE, LINES[::-1]),
        Recording(VOICE, (replace(LINES[0], noise="white", signal_to_noise_db=10), *LINES[1:])),
    ]
    assert stem == Recording(VOICE, LINES).stem
    assert len({stem, *(one.stem for one in changed)}) == 4


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
@pytest.mark.parametrize("decibels", [5, 20])
def test_speech_is_louder_than_noise_as_stated(kind: str, decibels: int) -> None:
    line = Line("put the music on", level_db=-30.0, margins_seconds=(0.5, 0.5))
    clean, times = speak(Recording(VOICE, (line,)))
    noisy, _ = speak(Recording(VOICE, (replace(line, noise=kind, signal_to_noise_db=decibels),)))
    stop = round(times[0][1] * SAMPLE_RATE)
    voiced = clean[8000 : stop - 8000]
    assert 20 * np.log10(root_mean_square(voiced)) == pytest.approx(-30.0, abs=0.1)
    ratio = 20 * np.log10(root_mean_square(voiced) / root_mean_square((noisy - clean)[:stop]))
    assert ratio == pytest.approx(decibels, abs=0.2)


def test_loud_speech_in_loud_noise_is_not_clipped() -> None:
    samples, _ = speak(Recording(VOICE, (Line("stop", noise="white", signal_to_noise_db=5, level_db=-3.0),)))
    assert 0.9 < np.abs(samples).max() <= 0.981


def test_a_crash_leaves_nothing_that_counts_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(VOICE, LINES)

    def full_disk(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording_module, "write_text", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_missing([recording], str(tmp_path))
    assert not recording.is_written(tmp_path)
    monkeypatch.undo()
    assert write_missing([recording], str(tmp_path)) == 1 and recording.is_written(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".flac", ".tsv"]
    assert soundfile.info(recording.audio(tmp_path)).samplerate == SAMPLE_RATE
