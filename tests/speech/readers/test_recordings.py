"""Recordings of every kind, whole and in parts; and what is wrong with those that cannot be used."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crossmod_speech.readers.reasons import UnusableSpeech
from crossmod_speech.readers.recordings import read_speech
from crossmod_speech.sources import SpeechSource, speech_source


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def read(path: Path | str, start: float = 0.0, end: float | None = None, *, archive: str = "", longest: float = 60.0):
    return read_speech(SpeechSource(str(path), start, end, archive), 16000, longest)


def peak_hertz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16000 / len(samples))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3"])
def test_every_container_gives_the_same_tone(write, name: str):
    options = {"a.opus": {"format": "OGG", "subtype": "OPUS"}}.get(name, {})
    samples, cut = read(write(tone(1.0, 16000), 16000, name, **options))
    assert not cut and samples.dtype == np.int16
    assert abs(len(samples) - 16000) <= (2500 if name == "a.mp3" else 0)  # mp3 pads to whole frames
    assert abs(peak_hertz(samples[2000:14000]) - 440) < 3
    assert abs(np.abs(samples[2000:14000]).max() / 32768 - 0.5) < 0.03


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_every_rate_is_brought_to_the_wanted_one(write, rate: int):
    samples, _ = read(write(tone(0.5, rate), rate))
    assert abs(len(samples) - 8000) <= 1
    assert abs(peak_hertz(samples) - 440) < 3


def test_what_the_lower_rate_cannot_hold_is_filtered_out(write):
    samples, _ = read(write(tone(0.5, 48000, 12000.0) + tone(0.5, 48000, 1000.0), 48000))
    spectrum = np.abs(np.fft.rfft(samples[500:-500] * np.hanning(len(samples) - 1000)))
    assert (
        spectrum[int(4000 / 8000 * len(spectrum)) - 20 :][:40].max() < 1e-3 * spectrum.max()
    )  # where it would fold to


def test_integers_at_the_wanted_rate_are_kept_to_the_bit(write):
    stored = np.array([0, 1, -1, 12345, -32768, 32767], np.int16)
    assert read(write(stored))[0].tolist() == stored.tolist()


def test_channels_are_averaged_before_resampling(write):
    left, right = tone(0.5, 48000, 300.0), tone(0.5, 48000, 700.0)
    both, _ = read(write(np.stack([left, right], 1), 48000, "two.wav", subtype="FLOAT"))
    mean, _ = read(write((left + right) / 2, 48000, "one.wav", subtype="FLOAT"))
    assert len(both) == len(mean) and np.abs(both.astype(int) - mean.astype(int)).max() <= 1
    eight = np.stack([tone(0.1, 16000)] * 8, 1)
    assert np.abs(read(write(eight, name="eight.wav"))[0] / 32768 - eight[:, 0]).max() < 1e-4


def test_a_part_is_what_stands_there(write):
    path = write(np.concatenate([tone(0.5, 16000, 300.0), tone(0.5, 16000, 900.0)]))
    assert abs(peak_hertz(read(path, 0.0, 0.5)[0]) - 300) < 3
    assert abs(peak_hertz(read(path, 0.5)[0]) - 900) < 3
    whole, _ = read(path)
    assert read(path, 0.25, 0.75)[0].tolist() == whole[4000:12000].tolist()


def test_what_is_beyond_the_longest_is_cut_and_said(write):
    path = write(tone(1.0, 16000))
    assert len(read(path, longest=0.25)[0]) == 4000 and read(path, longest=0.25)[1]
    assert len(read(path, longest=1.0)[0]) == 16000 and not read(path, longest=1.0)[1]


def test_an_hour_is_read_by_parts_and_never_held_as_a_whole(tmp_path: Path):
    path, minute = tmp_path / "hour.flac", (8000 * tone(60.0, 16000)).astype(np.int16)
    with soundfile.SoundFile(path, "w", 16000, 1) as recording:
        for _ in range(60):
            recording.write(minute)
    tracemalloc.start()
    samples, _ = read(path, 3000.0, 3002.0)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(samples) == 32000
    assert held < 4 << 20  # the hour is 115 MB of samples


def test_archives_are_read_by_name(write, tmp_path: Path):
    path = write(tone(0.2, 16000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "inside/a.wav")
    assert read("inside/a.wav", archive=str(tmp_path / "a.zip"))[0].tolist() == read(path)[0].tolist()
    with pytest.raises(UnusableSpeech, match="holds no such file"):
        read("a.wav", archive=str(tmp_path / "a.zip"))
    with pytest.raises(UnusableSpeech, match="no such archive"):
        read("a.wav", archive=str(tmp_path / "b.zip"))
    (tmp_path / "broken.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-40])
    with pytest.raises(UnusableSpeech, match="archive is broken"):
        read("inside/a.wav", archive=str(tmp_path / "broken.zip"))


def test_the_content_tells_the_format_and_not_the_name(write):
    path = write(tone(0.2, 16000), name="a.flac")
    assert len(read(path.rename(path.with_suffix(".wav")))[0]) == 3200
    text = path.with_suffix(".mp3")
    text.write_text("this is no sound\n" * 100)
    with pytest.raises(UnusableSpeech, match="no audio"):
        read(text)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0), "no sample"),
        (np.zeros(1600), "silent throughout"),
        (np.array([0.1, np.nan, 0.2]), "no numbers"),
        (np.array([0.1, np.inf, 0.2]), "no numbers"),
    ],
)
def test_recordings_of_nothing_are_refused(write, samples: np.ndarray, reason: str):
    with pytest.raises(UnusableSpeech, match=reason):
        read(write(samples, subtype="FLOAT"))


def test_one_sample_is_a_recording_that_resampling_may_lose(write):
    assert read(write([0.5]))[0].tolist() == [16384]
    with pytest.raises(UnusableSpeech, match="too short"):
        read(write([0.5], 192000, "b.wav"))


def test_a_truncated_file_is_refused_and_not_padded(write):
    noise = np.random.default_rng(0).normal(0, 0.1, 32000)
    path = write(noise, name="a.flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnusableSpeech, match="broken"):
        read(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UnusableSpeech, match="broken"):
        read(path)


@pytest.mark.parametrize("part", [(2.0, 3.0), (0.5, 2.0), (0.5, 0.5), (0.6, 0.5), (-1.0, 0.5), (float("nan"), 1.0)])
def test_a_part_outside_of_the_recording_is_refused(write, part: tuple[float, float]):
    with pytest.raises(UnusableSpeech, match="part from"):
        read(write(tone(1.0, 16000)), *part)


@pytest.mark.parametrize("start", [1.0, 5.0, float("nan"), float("inf"), 0.99999])
def test_a_start_behind_the_end_is_refused(write, start: float):
    with pytest.raises(UnusableSpeech, match="part from"):
        read(write(tone(1.0, 16000)), start)


def test_rounded_times_at_the_end_are_the_end(write):
    assert len(read(write(tone(1.0, 16000)), 0.5, 1.004)[0]) == 8000


def test_rates_that_no_microphone_has_are_refused(write):
    with pytest.raises(UnusableSpeech, match="1000 Hz"):
        read(write(tone(0.1, 16000), 1000))


def test_missing_files_and_folders_are_no_recordings(tmp_path: Path):
    for path in (tmp_path, tmp_path / "absent.wav"):
        with pytest.raises(UnusableSpeech, match="no such file"):
            read(path)


def test_sources_say_what_they_are():
    assert str(SpeechSource("a.wav")) == "a.wav"
    assert str(SpeechSource("a.wav", 1.5)) == "a.wav from 1.5 s to end"
    assert str(SpeechSource("a.wav", 1.5, 2, name="b")) == "b"
    assert speech_source("a.wav") == SpeechSource("a.wav")
    assert [speech_source(item) for item in ("", " ", "a\0b", 7, None)] == [None] * 5
