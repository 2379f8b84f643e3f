"""Noise: of one loudness, with the spectrum that its name says, and drawn alike everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from crossmod.sources.draw import Draw
from crossmod_speech.synthesis.noise import noise_of

RATE = 16000


def octave_decibels(kind: str) -> list[float]:
    """Power in the octaves from 125 to 4000 Hz, against the first."""
    sound = noise_of(kind, 20 * RATE, RATE, Draw("octaves", kind))
    power = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    octaves = [power[(hertz >= low) & (hertz < 2 * low)].sum() for low in (125, 250, 500, 1000, 2000)]
    return [float(10 * np.log10(one / octaves[0])) for one in octaves]


def test_white_gains_three_decibels_an_octave_and_pink_none() -> None:
    assert octave_decibels("white") == pytest.approx([0.0, 3.0, 6.0, 9.0, 12.0], abs=0.5)
    assert octave_decibels("pink") == pytest.approx([0.0] * 5, abs=0.5)


def test_babble_is_speech_in_its_octaves_and_changes_with_time() -> None:
    decibels = octave_decibels("babble")
    assert decibels[4] < decibels[2] - 6
    sound = noise_of("babble", 10 * RATE, RATE, Draw("b"))
    frames = np.sqrt(np.mean(sound.reshape(-1, RATE // 50) ** 2, axis=1))
    steady = noise_of("white", 10 * RATE, RATE, Draw("b"))
    quiet = np.sqrt(np.mean(steady.reshape(-1, RATE // 50) ** 2, axis=1))
    assert frames.std() > 5 * quiet.std()


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
@pytest.mark.parametrize("length", [1601, 16000, 40 * RATE])
def test_noise_has_root_mean_square_one_and_follows_its_draw(kind: str, length: int) -> None:
    one, same, other = (noise_of(kind, length, RATE, Draw("n", seed)) for seed in (0, 0, 1))
    assert len(one) == length and np.sqrt(np.mean(one**2)) == pytest.approx(1.0)
    assert np.array_equal(one, same) and not np.array_equal(one, other)
