"""The waveform as features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from crossmod_speech.frontends.settings import RawWaveform


def test_amplitudes_are_kept_and_padding_is_zero():
    samples = torch.randn(2, 9)
    samples[1, 4:] = torch.nan
    features = RawWaveform().build()(samples, torch.tensor([9, 4]))
    assert features.values[0, :, 0].equal(samples[0])
    assert features.values[1, :4, 0].equal(samples[1, :4])
    assert not features.values[1, 4:].any()
    assert features.mask.sum(1).tolist() == [9, 4]


def test_normalised_utterances_are_wav2vec2s():
    draw = np.random.default_rng(0)
    signals = [(0.1 + 0.2 * draw.standard_normal(length)).astype(np.float32) for length in (4000, 777)]
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    expected = extractor(signals, sampling_rate=16000, padding=True, return_tensors="np")["input_values"]
    padded = torch.full((2, 4000), torch.nan)
    for row, signal in enumerate(signals):
        padded[row, : len(signal)] = torch.from_numpy(signal)
    features = RawWaveform(normalised=True).build()(padded, torch.tensor([4000, 777]))
    np.testing.assert_allclose(features.values[..., 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("normalised", [False, True])
def test_silence_one_sample_and_none_are_finite(normalised: bool):
    samples = torch.tensor([[0.0, 0.0, 0.0], [0.7, 0.0, 0.0], [0.0, 0.0, 0.0]])
    features = RawWaveform(normalised=normalised).build()(samples, torch.tensor([3, 1, 0]))
    assert features.values.isfinite().all()
    assert features.mask.sum(1).tolist() == [3, 1, 0]


def test_lengths_beyond_the_samples_are_refused():
    with pytest.raises(ValueError, match="a length is 5, but the waveforms have 4 samples"):
        RawWaveform().build()(torch.zeros(1, 4), torch.tensor([5]))
