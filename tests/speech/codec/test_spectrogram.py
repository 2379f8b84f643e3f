"""The spectrogram with a gradient agrees with the front end, and samples come back from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crossmod.errors import UserError
from crossmod_metrics import mel_cepstral_distance
from crossmod_speech.codec.rebuilt import spectrograms
from crossmod_speech.codec.settings import DistilCodec
from crossmod_speech.codec.spectrogram import DifferentiableLogMel, griffin_lim, resolutions
from crossmod_speech.frontends.settings import DistilCodecLogMel, KaldiFilterBank, LogMel
from crossmod_speech.waveforms import WaveformInputs


@pytest.mark.parametrize("samples", [2048, 5000, 24_000])
def test_it_is_the_front_end_s(samples: int) -> None:
    settings = DistilCodecLogMel()
    waveform = 0.3 * torch.randn(3, samples, generator=torch.Generator().manual_seed(0))
    expected = settings.build()(waveform, torch.full((3,), samples)).values
    assert torch.allclose(DifferentiableLogMel(settings)(waveform), expected, atol=1e-4)


def test_its_gradient_is_that_of_finite_differences(settings: DistilCodec) -> None:
    front_end = settings.front_end
    assert isinstance(front_end, LogMel)
    transform = DifferentiableLogMel(front_end)
    draw = torch.Generator().manual_seed(0)
    waveform = torch.randn(1, 320, generator=draw).requires_grad_()
    weigh = torch.randn(1, 5, front_end.bins, generator=draw)
    (transform(waveform) * weigh).sum().backward()
    direction = torch.randn(1, 320, generator=draw)
    with torch.no_grad():
        ahead, behind = ((transform(waveform + step * direction).double() * weigh).sum() for step in (1e-3, -1e-3))
    slope = float((waveform.grad * direction).sum())
    assert float(ahead - behind) / 2e-3 == pytest.approx(slope, rel=0.01)


def test_overlapping_frames_give_the_samples_back() -> None:
    transform = DifferentiableLogMel(DistilCodecLogMel())
    waveform = torch.randn(2, 6400, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(transform.overlap(transform.spectrum(waveform)), waveform, atol=1e-4)


def test_griffin_and_lim_come_near_the_spectrogram(inputs: WaveformInputs, settings: DistilCodec) -> None:
    front_end = settings.front_end
    assert isinstance(front_end, LogMel)
    waveform = inputs.take(torch.tensor([4])).padded()[0]
    target = spectrograms([waveform], front_end)[0]
    distance = {
        rounds: mel_cepstral_distance(
            spectrograms([griffin_lim(target, front_end, rounds=rounds)], front_end)[0], target
        ).decibels
        for rounds in (1, 32)
    }
    silence = mel_cepstral_distance(torch.zeros_like(target), target).decibels
    assert distance[32] < 0.8 * distance[1] < 0.8 * silence


def test_other_resolutions(settings: DistilCodec) -> None:
    double, half = resolutions(DistilCodecLogMel(), (2.0, 0.5))
    assert (double.n_fft, double.hop_length, double.bins) == (2048, 512, 256)
    assert (half.n_fft, half.window_length, half.hop_length, half.bins) == (512, 512, 128, 64)


@pytest.mark.parametrize(
    ("front_end", "says"),
    [
        (KaldiFilterBank(), "framing 'snip_edges'"),
        (replace(DistilCodecLogMel(), log="log10"), "log 'log10'"),
        (replace(DistilCodecLogMel(), pre_emphasis=0.97), "pre_emphasis 0.97"),
    ],
)
def test_what_cannot_be_rebuilt_from_is_refused(front_end: LogMel, says: str) -> None:
    with pytest.raises(UserError, match=says):
        DifferentiableLogMel(front_end)
