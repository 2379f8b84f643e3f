"""A front end of few bins and no transform of its own, so that these tests speak of encoders alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from crossmod.ragged import offsets_of
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.frontends.features import FrontEndModule, SpeechFeatures
from crossmod_speech.processors import WaveformProcessor
from crossmod_speech.waveforms import WaveformInputs

MakeInputs = Callable[..., WaveformInputs]


@dataclass(frozen=True, kw_only=True)
class BandEnergies(FrontEnd):
    """Log energies of 16 equal bands of frames of 10 ms that do not overlap."""

    @property
    def hop(self) -> int:
        return self.sample_rate // 100

    @property
    def bins(self) -> int:
        return 16

    @property
    def seconds_per_frame(self) -> float:
        return 0.01

    def frames(self, samples: int) -> int:
        return samples // self.hop

    def build(self) -> BandEnergiesModule:
        return BandEnergiesModule(self)


class BandEnergiesModule(FrontEndModule):
    def __init__(self, settings: BandEnergies) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, samples: Tensor, lengths: Tensor, /) -> SpeechFeatures:
        frames = lengths // self.settings.hop
        cut = samples[:, : int(frames.max()) * self.settings.hop].unflatten(1, (-1, self.settings.hop))
        energies = torch.fft.rfft(cut).abs().square()[..., :80].unflatten(-1, (16, 5)).sum(-1)
        mask = torch.arange(cut.shape[1], device=samples.device) < frames[:, None]
        return SpeechFeatures((energies + 1e-3).log().masked_fill(~mask[..., None], 0.0), mask)


@pytest.fixture
def front_end() -> BandEnergies:
    return BandEnergies()


@pytest.fixture
def bands(front_end: BandEnergies) -> WaveformProcessor:
    """The processor of encoders in these tests."""
    return WaveformProcessor(front_end, 15.0)


def waveforms(samples: Sequence[Tensor], rate: int = 16000) -> WaveformInputs:
    """Inputs of amplitudes."""
    whole = torch.cat([(part * 32767).round().to(torch.int16) for part in samples])
    return WaveformInputs(whole, offsets_of(torch.tensor([len(part) for part in samples])), rate)


def tones(hertz: Sequence[float], seconds: Sequence[float], rate: int = 16000) -> WaveformInputs:
    """Sines, each of a random phase."""
    phases = torch.rand(len(hertz)).tolist()
    return waveforms(
        [
            0.5 * torch.sin(2 * np.pi * (torch.arange(round(length * rate)) / rate * pitch + phase))
            for pitch, length, phase in zip(hertz, seconds, phases, strict=True)
        ],
        rate,
    )


@pytest.fixture
def utterances() -> WaveformInputs:
    """Noise of five lengths, the shortest of one frame."""
    generator = torch.Generator().manual_seed(0)
    return waveforms([0.3 * torch.randn(n, generator=generator).clamp(-3, 3) for n in (160, 4000, 16000, 7333, 9999)])


@pytest.fixture
def make_tones() -> MakeInputs:
    """`tones`, for tests that choose pitches and lengths."""
    return tones


@pytest.fixture
def make_waveforms() -> MakeInputs:
    """`waveforms`, for tests that choose samples."""
    return waveforms
