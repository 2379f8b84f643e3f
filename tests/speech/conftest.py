"""Recordings that tests of this domain make: tones, in any container."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from crossmod_speech.frontends.settings import KaldiFilterBank
from crossmod_speech.processors import WaveformProcessor

Write = Callable[..., Path]

VOICE_RATE = 8000
VOICES = {"train": (100.0, 140.0, 180.0), "validation": (120.0,), "test": (160.0,)}
"""By split, the pitch of each speaker in hertz."""

FORMANTS = {"a": (700.0, 1200.0), "i": (300.0, 2300.0), "u": (320.0, 800.0), "e": (500.0, 1800.0)}


def harmonics(text: str, pitch_hz: float, rate: int = VOICE_RATE, seconds: float = 0.1) -> npt.NDArray[np.float32]:
    """Letters one after the other: harmonics of the pitch, loud near the letter's two formants."""
    time = np.arange(round(seconds * rate)) / rate
    fade = np.minimum(1.0, 10 * np.minimum(time, time[::-1]) / seconds)
    parts = []
    for letter in text:
        multiples = np.arange(1, int(0.45 * rate / pitch_hz)) * pitch_hz
        loud = sum(np.exp(-(((multiples - formant) / 150.0) ** 2)) for formant in FORMANTS[letter]) + 0.01
        parts.append(fade * (loud[:, None] * np.sin(2 * np.pi * multiples[:, None] * time)).sum(0))
    spoken = np.concatenate(parts)
    return (0.5 * spoken / np.abs(spoken).max()).astype(np.float32)


def tone(seconds: float, rate: int, hertz: float = 440.0, amplitude: float = 0.5) -> npt.NDArray[np.float32]:
    """A sine."""
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes samples into a file of the test's folder, whose name tells the format."""

    def written(samples: npt.ArrayLike, rate: int = 16000, name: str = "a.wav", **options: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.asarray(samples), rate, **options)
        return path

    return written


@pytest.fixture
def processor() -> WaveformProcessor:
    """Filter banks of recordings of at most 15 seconds."""
    return WaveformProcessor(KaldiFilterBank(), 15.0)


@pytest.fixture(scope="session")
def speak() -> Callable[..., npt.NDArray[np.float32]]:
    """`harmonics`."""
    return harmonics


@pytest.fixture(scope="session")
def voices_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of utterances beside their recordings; every text in every voice."""
    root = tmp_path_factory.mktemp("voices")
    draw, rows = np.random.default_rng(0), []
    texts = sorted({"".join(draw.permutation(list(FORMANTS))[: draw.integers(2, 5)]) for _ in range(20)})
    for split, pitches in VOICES.items():
        for pitch in pitches:
            for text in texts:
                path = root / f"{split}-{pitch:.0f}-{text}.wav"
                soundfile.write(path, harmonics(text, pitch), VOICE_RATE)
                rows.append([path.name, " ".join(text), split, f"{pitch:.0f}"])
    table = root / "table.csv"
    with table.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["path", "text", "split", "speaker"], *rows])
    return table


@pytest.fixture(scope="session")
def codec_words(voices_table: Path) -> list[str]:
    """The options that make packaged recipes small, on that corpus."""
    return [
        *("--data=SpeechTable", f"--data.path={voices_table}", "--data.split_by=column", "--data.split_column=split"),
        *("--data.speaker=speaker", "--data.workers=0", "--run.threads=1", "--run.batch_size=8"),
        *("--towers.speech.front_end.sample_rate=8000", "--towers.speech.front_end.n_fft=256"),
        *("--towers.speech.front_end.window_length=256", "--towers.speech.front_end.hop_length=64"),
        *("--towers.speech.front_end.bins=40", "--towers.speech.front_end.highest_hz=4000"),
        *("--towers.speech.front_end.lowest_hz=60", "--towers.speech.longest_seconds=1"),
        *("--towers.speech.encoder_widths=[32, 48]", "--towers.speech.encoder_depths=[1, 1]"),
        *("--towers.speech.codes=32", "--towers.speech.code_width=8", "--towers.speech.generator.channels=32"),
        *("--towers.speech.generator.upsampling=[4, 4, 4]", "--towers.speech.generator.upsampling_kernels=[8, 8, 8]"),
        *("--towers.speech.generator.field_kernels=[3]", "--towers.speech.generator.outer_kernel=7"),
    ]
