"""What frames read before the first sample and behind the last."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossmod_speech.frontends.framing import analysis_window, extended, reach_of, touched_frames
from crossmod_speech.frontends.settings import DistilCodecLogMel, KaldiFilterBank, LogMel, SpeechT5LogMel, WhisperLogMel


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 300, 511, 512, 513, 4000])
@pytest.mark.parametrize("settings", [SpeechT5LogMel(), DistilCodecLogMel(), LogMel(window_length=399)])
def test_signals_are_mirrored_as_numpy_mirrors_them(settings: LogMel, samples: int):
    signal = np.random.default_rng(samples).standard_normal((1, samples)).astype(np.float32)
    left, right = reach_of(settings)
    expected = np.pad(signal, ((0, 0), (left, right)), mode="reflect")
    found = extended(torch.from_numpy(signal), [samples], settings)
    assert found.shape[1] % settings.hop_length == 0
    np.testing.assert_array_equal(found[:, : expected.shape[1]], expected)


def test_rows_are_mirrored_at_their_own_ends():
    settings = SpeechT5LogMel()
    samples = torch.randn(3, 2000)
    lengths = [2000, 700, 3]
    together = extended(samples, lengths, settings)
    left, right = reach_of(settings)
    for row, length in enumerate(lengths):
        alone = extended(samples[row : row + 1, :length], [length], settings)
        until = left + length + right
        torch.testing.assert_close(together[row, :until], alone[0, :until], rtol=0, atol=0)


@pytest.mark.parametrize("samples", [1, 100, 200, 201, 15_900, 16_000])
def test_silence_stands_behind_what_is_brought_to_a_whole_length(samples: int):
    settings = WhisperLogMel(whole_seconds=1.0)
    signal = np.random.default_rng(0).standard_normal((1, samples)).astype(np.float32)
    silent = np.pad(signal, ((0, 0), (0, 16_000 - samples)))
    expected = np.pad(silent, ((0, 0), (200, 200)), mode="reflect")
    found = extended(torch.from_numpy(signal), [samples], settings).numpy()
    until = min(200 + samples + 200, expected.shape[1])
    np.testing.assert_array_equal(found[:, :until], expected[:, :until])


def test_nothing_is_added_where_frames_lie_within():
    samples = torch.randn(1, 480)
    torch.testing.assert_close(extended(samples, [480], KaldiFilterBank()), samples)


def test_frames_that_reach_back_into_an_utterance_are_touched():
    settings = WhisperLogMel()
    signal = np.zeros(480_400)
    for samples in (1, 40, 41, 200, 201, 16_000, 479_999):
        signal[:] = 0
        signal[200 : 200 + samples] = 1
        frames = [signal[160 * frame : 160 * frame + 400].any() for frame in range(3000)]
        assert touched_frames(settings, samples) == np.flatnonzero(frames).max() + 1, samples
    assert touched_frames(settings, 0) == 0
    assert touched_frames(SpeechT5LogMel(), 16_000) == SpeechT5LogMel().frames(16_000)


def test_windows_are_torchs_and_kaldis():
    torch.testing.assert_close(analysis_window(SpeechT5LogMel()), torch.hann_window(1024), rtol=0, atol=1e-6)
    povey = torch.hann_window(400, periodic=False) ** 0.85
    torch.testing.assert_close(analysis_window(KaldiFilterBank()) / 32768, povey, rtol=0, atol=1e-6)
