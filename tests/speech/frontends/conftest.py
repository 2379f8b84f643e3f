"""Signals, and a slow transcription of what a log-mel front end is, in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from crossmod_speech.frontends.bands import band_weights
from crossmod_speech.frontends.settings import LogMel

Signal = npt.NDArray[np.float32]
Features = npt.NDArray[np.float64]


@pytest.fixture
def noise() -> Callable[..., Signal]:
    """Makes noise that swells and fades, as speech does, over an offset that cheap microphones have."""

    def make(samples: int, seed: int = 0) -> Signal:
        draw = np.random.default_rng(seed)
        swelling = 0.1 + 0.05 * np.sin(np.arange(samples) / 997)
        return (0.01 + swelling * draw.standard_normal(samples)).clip(-1, 1).astype(np.float32)

    return make


@pytest.fixture
def alone() -> Callable[[LogMel, Signal], Features]:
    """Computes the features of one signal with the module."""

    def compute(settings: LogMel, signal: Signal) -> Features:
        features = settings.build()(torch.from_numpy(signal)[None], torch.tensor([len(signal)]))
        assert features.mask.all()
        return features.values[0].double().numpy()

    return compute


@pytest.fixture
def slowly() -> Callable[[LogMel, Signal], Features]:
    """Computes the logarithms frame by frame in float64, as the sheet of a front end would be read aloud."""

    def compute(settings: LogMel, signal: Signal) -> Features:
        length, hop = settings.window_length, settings.hop_length
        edge = {"snip_edges": 0, "centred": length // 2, "padded": (length - hop) // 2}[settings.framing]
        padded = (
            np.pad(signal.astype(np.float64) * settings.amplitude_scale, edge, mode="reflect")
            if edge
            else (signal.astype(np.float64) * settings.amplitude_scale)
        )
        turn = 2 * np.pi * np.arange(length)
        window = (
            np.sin(turn / 2 / length) ** 2
            if settings.window == "hann"
            else np.sin(turn / 2 / (length - 1)) ** (2 * 0.85)
        )
        logarithm = {
            "natural": np.log,
            "log10": np.log10,
            "decibel": lambda value: (10 if settings.power == 2 else 20) * np.log10(value),
        }[settings.log]
        rows = []
        for frame in range(settings.frames(len(signal))):
            here = padded[frame * hop : frame * hop + length]
            if settings.remove_offset:
                here = here - here.mean()
            before = np.concatenate((here[:1], here[:-1]))
            spectrum = np.fft.rfft((here - settings.pre_emphasis * before) * window, settings.n_fft)
            squares = spectrum.real**2 + spectrum.imag**2 + settings.magnitude_offset
            energies = band_weights(settings) @ squares ** (settings.power / 2)
            rows.append(logarithm(np.maximum(energies, settings.floor)))
        return np.array(rows)

    return compute
