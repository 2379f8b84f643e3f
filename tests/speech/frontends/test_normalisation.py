"""Log energies after the logarithm."""

from __future__ import annotations

import torch

from crossmod_speech.frontends.normalisation import SMALLEST_DEVIATION, normalised
from crossmod_speech.frontends.settings import LogMel

COUNTED = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])


def test_every_bin_of_an_utterance_has_mean_zero_and_deviation_one():
    logs = 5 + 3 * torch.randn(2, 7, 80, generator=torch.Generator().manual_seed(0))
    logs[1, 3:] = torch.nan
    found = normalised(logs.clone(), COUNTED, LogMel(after="utterance"))
    for row, frames in ((0, 7), (1, 3)):
        own = found[row, :frames]
        torch.testing.assert_close(own.mean(0), torch.zeros(80), rtol=0, atol=1e-5)
        torch.testing.assert_close(own.std(0, correction=0), torch.ones(80), rtol=1e-4, atol=0)


def test_bins_that_do_not_vary_are_zero_and_not_blown_up():
    found = normalised(torch.full((2, 7, 80), -15.942385), COUNTED, LogMel(after="utterance"))
    assert found.abs().max() < 1e-5 / SMALLEST_DEVIATION


def test_whispers_values_lie_within_two_of_the_greatest_that_counts():
    logs = 4 * torch.randn(2, 7, 80, generator=torch.Generator().manual_seed(0)) - 5
    logs[1, 3:] = torch.nan
    found = normalised(logs.clone(), COUNTED, LogMel(after="whisper"))
    for row, frames in ((0, 7), (1, 3)):
        own = logs[row, :frames]
        expected = (own.clamp_min(own.max() - 8) + 4) / 4
        torch.testing.assert_close(found[row, :frames], expected)
        assert expected.max() - expected.min() <= 2


def test_stated_statistics_of_the_training_data_are_taken():
    mean, std = tuple(float(bin_) for bin_ in range(80)), tuple(1.0 + bin_ for bin_ in range(80))
    logs = torch.randn(2, 7, 80)
    expected = (logs - torch.arange(80.0)) / (1 + torch.arange(80.0))
    settings = LogMel(after="global", mean=mean, std=std)
    torch.testing.assert_close(normalised(logs.clone(), COUNTED, settings), expected)


def test_nothing_is_nothing():
    logs = torch.randn(2, 7, 80)
    assert normalised(logs.clone(), COUNTED, LogMel()).equal(logs)
    for after in ("utterance", "whisper"):
        assert normalised(torch.empty(0, 7, 80), COUNTED[:0], LogMel(after=after)).shape == (0, 7, 80)
        assert normalised(torch.empty(2, 0, 80), COUNTED[:, :0], LogMel(after=after)).shape == (2, 0, 80)
