"""A small codec, and a few utterances that its codebooks have seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch

from crossmod.ragged import offsets_of
from crossmod_speech.codec.settings import CodecGenerator, DistilCodec
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.frontends.settings import DistilCodecLogMel
from crossmod_speech.waveforms import WaveformInputs

RATE = 8000
Build = Callable[..., DistilCodecTower]
Speak = Callable[..., npt.NDArray[np.float32]]
FRONT_END = DistilCodecLogMel(
    sample_rate=RATE, n_fft=256, window_length=256, hop_length=64, bins=40, lowest_hz=60.0, highest_hz=4000.0
)
GENERATOR = CodecGenerator(
    channels=32,
    upsampling=(4, 4, 4),
    upsampling_kernels=(8, 8, 8),
    field_kernels=(3,),
    dilations=(1, 3),
    outer_kernel=7,
)
SMALL = DistilCodec(
    front_end=FRONT_END,
    encoder_widths=(32, 48),
    encoder_depths=(1, 1),
    codes=32,
    code_width=8,
    generator=GENERATOR,
)


def utterances(waveforms: Sequence[npt.NDArray[np.float32]], rate: int = RATE) -> WaveformInputs:
    """Waveforms as a minibatch."""
    samples = torch.from_numpy(np.concatenate([np.rint(each * 32767).astype(np.int16) for each in waveforms]))
    return WaveformInputs(samples, offsets_of(torch.tensor([len(each) for each in waveforms])), rate)


@pytest.fixture(scope="session")
def settings() -> DistilCodec:
    """A codec of one codebook."""
    return SMALL


@pytest.fixture(scope="session")
def inputs(speak: Speak) -> WaveformInputs:
    """Eight utterances of different lengths."""
    said = ("ai", "iue", "ea", "uia", "aeiu", "ue", "eiua", "au")
    return utterances([speak(text, pitch) for text, pitch in zip(said, [100.0, 140.0] * 4, strict=True)])


@pytest.fixture(scope="session")
def build(inputs: WaveformInputs) -> Build:
    """Makes a codec in evaluation mode, whose codebooks have seen the utterances."""

    def built(settings: DistilCodec, seed: int = 0) -> DistilCodecTower:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = settings.build(settings.fit_processor(())).eval()
            with torch.no_grad():
                tower.bottleneck.update(*tower.latents(inputs.padded(), inputs.lengths))
        return tower

    return built
