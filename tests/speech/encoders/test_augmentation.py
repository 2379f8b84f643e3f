from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch
from torch import Tensor
from torch.testing import assert_close

from crossmod.errors import UserError
from crossmod_speech.encoders.augmentation import SpeechAugmenter, drawn_runs, shifted
from crossmod_speech.encoders.augmentation_settings import SpeechAugmentation
from crossmod_speech.encoders.noise import RecordedNoise, coloured_noise, mixed
from crossmod_speech.encoders.speed import at_speed
from crossmod_speech.frontends.features import SpeechFeatures

NOTHING: dict[str, Any] = {
    **{"speeds": (1.0,), "shift_seconds": 0.0, "noise_probability": 0.0},
    **{"frequency_masks": 0, "time_masks": 0},
}


def augmenter(**options: Any) -> SpeechAugmenter:
    return SpeechAugmentation(**{**NOTHING, **options}).build(16000)


def batch(lengths: list[int]) -> tuple[Tensor, Tensor]:
    counts = torch.tensor(lengths)
    inside = torch.arange(max(lengths)) < counts[:, None]
    return torch.randn(len(lengths), max(lengths)).mul(0.1).masked_fill(~inside, 0.0), counts


@pytest.mark.parametrize("speed", [0.9, 1.1, 0.8, 1.25])
def test_a_tone_at_another_speed_is_a_tone_of_that_pitch(speed: float) -> None:
    time = torch.arange(16000) / 16000
    played, lengths = at_speed(torch.sin(2 * np.pi * 1000 * time)[None], torch.tensor([16000]), speed)
    expected = torch.sin(2 * np.pi * 1000 * speed * torch.arange(int(lengths)) / 16000)
    assert int(lengths) == -(-16000 * 20 // round(20 * speed))
    # Half a millisecond at both ends lies within reach of the silence around the tone.
    assert_close(played[0, 400:-400], expected[400:-400], atol=2e-3, rtol=0.0)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_agrees_with_a_resampler(speed: float) -> None:
    generator = np.random.default_rng(0)
    spectrum = np.fft.rfft(generator.standard_normal(8000))
    spectrum[3000:] = 0  # below 6 kHz, which both keep
    wave = np.fft.irfft(spectrum).astype(np.float32)
    played, lengths = at_speed(torch.from_numpy(wave)[None], torch.tensor([8000]), speed)
    expected = torch.from_numpy(soxr.resample(wave, 16000 * speed, 16000, quality="VHQ"))
    assert abs(int(lengths) - len(expected)) <= 1
    assert_close(played[0, 500 : 8000 - 1500], expected[500 : 8000 - 1500], atol=5e-3, rtol=0.0)


def test_what_would_fold_back_is_left_out() -> None:
    time = torch.arange(16000) / 16000
    played, _ = at_speed(torch.sin(2 * np.pi * 7600 * time)[None], torch.tensor([16000]), 1.25)
    assert float(played[0, 400:-400].abs().max()) < 0.02


def test_every_utterance_has_a_speed_of_its_own_and_its_length_follows() -> None:
    samples, lengths = batch([16000] * 40 + [3000])
    _, changed = augmenter(speeds=(0.9, 1.0, 1.1)).waveforms(samples, lengths)
    assert set(changed[:40].tolist()) == {-(-16000 * 10 // 9), 16000, -(-16000 * 10 // 11)}
    assert int(changed[40]) == 3000, "an utterance of a fifth of a second may be one frame"
    played, changed = augmenter(speeds=(1.1,)).waveforms(samples, lengths)
    alone, _ = at_speed(samples[:1], lengths[:1], 1.1)
    assert_close(played[0, : int(changed[0])], alone[0])
    assert_close(played[40, :3000], samples[40, :3000])
    assert not played[40, 3000:].any()


def test_shifted_utterances_keep_their_length_and_lose_what_leaves_it() -> None:
    samples = torch.tensor([[1.0, 2, 3, 4], [5, 6, 0, 0], [7, 8, 9, 0]])
    moved = shifted(samples, torch.tensor([4, 2, 3]), torch.tensor([1, -1, 9]))
    assert moved.tolist() == [[0, 1, 2, 3], [6, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("decibels", [-5.0, 0.0, 20.0])
def test_noise_has_the_stated_ratio_to_the_utterance(decibels: float) -> None:
    samples, lengths = batch([16000, 5000])
    noisy = mixed(samples, lengths, torch.randn(2, 16000), torch.full((2,), decibels))
    added = noisy - samples
    ratio = 10 * (samples.square().sum(1) / added.square().sum(1)).log10()
    assert_close(ratio, torch.full((2,), decibels), atol=1e-2, rtol=0.0)
    assert not noisy[1, 5000:].any(), "padding stays silent"
    assert torch.equal(mixed(0 * samples, lengths, torch.randn(2, 16000), torch.zeros(2)), 0 * samples)


@pytest.mark.parametrize(("exponent", "fall"), [(0.0, 0.0), (1.0, -1.0)])
def test_the_colour_of_noise_is_the_slope_of_its_spectrum(exponent: float, fall: float) -> None:
    noise = coloured_noise(64, 8192, exponent)
    power = torch.fft.rfft(noise).abs().square().mean(0)
    low, high = power[90:110].mean(), power[900:1100].mean()
    assert_close((high / low).log10(), torch.tensor(fall), atol=0.1, rtol=0.0)
    assert_close(noise.square().mean(), torch.tensor(1.0), atol=0.05, rtol=0.0)
    assert coloured_noise(2, 70000, exponent).shape == (2, 70000)


def test_noise_is_added_to_the_stated_share() -> None:
    samples, lengths = batch([400] * 600)
    changed, _ = augmenter(noise_probability=0.3, noise_decibels=(10.0, 10.0)).waveforms(samples, lengths)
    assert abs(float((changed != samples).any(1).float().mean()) - 0.3) < 0.06


def test_recorded_noise_is_read_once_it_is_drawn_from(tmp_path: Path, write: Callable[..., Path]) -> None:
    noise = RecordedNoise(str(tmp_path), 16000)
    with pytest.raises(UserError, match="holds no recording"):
        noise.drawn(1, 10)
    write(np.linspace(0.1, 0.5, 800), name="hum/a.wav")
    drawn = noise.drawn(3, 2000)
    assert drawn.shape == (3, 2000) and float(drawn.min()) >= 0.0999 and float(drawn.max()) <= 0.5001
    assert torch.equal(drawn[:, 800:1600], drawn[:, :800]), "a recording that ends starts again"
    assert not torch.equal(drawn[0], drawn[1])
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match="broken.wav cannot be used"):
        RecordedNoise(str(tmp_path), 16000).drawn(1, 10)
    samples, lengths = batch([16000])
    write(np.full(500, 0.2), name="only/b.wav")
    options = {"noise_probability": 1.0, "noise_decibels": (0.0, 0.0), "noise_folder": str(tmp_path / "only")}
    added = augmenter(**options).waveforms(samples, lengths)[0] - samples
    assert_close(added, torch.full_like(added, float(samples.square().mean().sqrt())), atol=1e-4, rtol=1e-3)


def features(lengths: list[int], bins: int = 20) -> SpeechFeatures:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    values = 3 + torch.rand(len(lengths), max(lengths), bins)
    return SpeechFeatures(values.masked_fill(~mask[..., None], 0.0), mask)


def test_masks_hide_runs_behind_the_mean_of_the_utterance() -> None:
    given = features([50, 30, 1])
    options = {"frequency_masks": 1, "frequency_mask_bins": 6, "time_masks": 1, "time_mask_frames": 8}
    values, mask = augmenter(**options).features(given)
    assert torch.equal(mask, given.mask) and not values[~mask].any()
    for row, length in enumerate([50, 30, 1]):
        part, before = values[row, :length], given.values[row, :length]
        changed = part != before
        assert_close(part[changed], before.mean(0).expand_as(part)[changed])
        # What is hidden is a run of whole bins and a run of whole frames.
        whole_bins, whole_frames = changed.all(0), changed.all(1)
        assert torch.equal(changed, whole_bins | whole_frames[:, None]) or length == 1
        assert int(whole_bins.sum()) <= 6 and int(whole_frames.sum()) <= min(8, 0.2 * length)


def test_runs_have_every_width_up_to_the_longest_and_lie_anywhere_inside() -> None:
    runs = drawn_runs(torch.tensor([10, 4, 0]).repeat(2000), torch.tensor([3, 9, 3]).repeat(2000), 12)
    first, second, none = runs[0::3], runs[1::3], runs[2::3]
    assert first.sum(1).unique().tolist() == [0, 1, 2, 3] and first.any(0).tolist() == [True] * 10 + [False] * 2
    assert second.sum(1).unique().tolist() == [0, 1, 2, 3, 4] and not second[:, 4:].any() and not none.any()
    assert bool(((runs.int().diff(dim=1) == 1).sum(1) <= 1).all())
    assert_close(first.sum(1).float().mean(), torch.tensor(1.5), atol=0.1, rtol=0.0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"speeds": ()}, "speeds of SpeechAugmentation are []"),
        ({"speeds": (0.1,)}, "0.5 to 2"),
        ({"noise_probability": 1.5}, "are 0 to 1"),
        ({"noise_decibels": (10.0, 0.0)}, "two numbers that rise"),
        ({"time_masks": -1}, "0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        SpeechAugmentation(**options)
    assert sentence in str(refused.value)
