"""Mel-cepstral distance: closed forms in decibels, and time warping against every path there is."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from crossmod_metrics import mel_cepstral_distance, mel_cepstrum, warping_path


def envelopes(frames=12, bins=24, seed=0):
    return torch.randn(frames, bins, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_all_coefficients_rebuild_the_envelope():
    spectrum = envelopes()
    coefficients = mel_cepstrum(spectrum, 23)
    place = torch.arange(24, dtype=torch.float64) + 0.5
    cosines = torch.stack([torch.cos(math.pi * number * place / 24) for number in range(24)])
    assert torch.allclose(coefficients @ cosines, spectrum, atol=1e-12)


def test_with_all_coefficients_it_is_the_root_mean_square_in_decibels():
    a, b = envelopes(seed=1), envelopes(seed=2)
    decibels = 20 * torch.log10(a.exp() / b.exp())
    centred = decibels - decibels.mean(1, keepdim=True)
    expected = centred.square().mean(1).sqrt().mean()
    assert mel_cepstral_distance(a, b, order=23).decibels == pytest.approx(float(expected), rel=1e-12)


def test_a_ripple_of_known_depth():
    # 6 dB of amplitude in the third cosine: its root mean square is 6 / sqrt 2 dB, whatever else is equal.
    a = envelopes()
    ripple = torch.cos(math.pi * 3 * (torch.arange(24).double() + 0.5) / 24) * 6 / (20 / math.log(10))
    assert mel_cepstral_distance(a, a + ripple).decibels == pytest.approx(6 / math.sqrt(2), rel=1e-9)
    assert mel_cepstral_distance(a, a + ripple, order=2).decibels == pytest.approx(0, abs=1e-9)


def test_loudness_does_not_count_and_order_of_arguments_neither():
    a, b = envelopes(seed=3), envelopes(seed=4)
    found = mel_cepstral_distance(a, b).decibels
    assert mel_cepstral_distance(a + 5.0, b).decibels == pytest.approx(found)
    assert mel_cepstral_distance(b, a).decibels == pytest.approx(found)
    assert mel_cepstral_distance(a, a, align="warped").decibels == 0


def test_a_slower_recording_is_warped_onto_the_same_one():
    a = envelopes(frames=9)
    slow = a.repeat_interleave(3, dim=0)
    found = mel_cepstral_distance(slow, a, align="warped")
    assert found.decibels == 0 and found.pairs == 27 and found.length_ratio == 3
    with pytest.raises(ValueError, match="27 and 9 frames"):
        mel_cepstral_distance(slow, a)


def paths(rows, columns):
    """All warping paths, as lists of pairs."""
    if rows == columns == 0:
        return [[(0, 0)]]
    found = []
    for step in ((1, 1), (1, 0), (0, 1)):
        if rows >= step[0] and columns >= step[1]:
            found += [[*path, (rows, columns)] for path in paths(rows - step[0], columns - step[1])]
    return found


@pytest.mark.parametrize(("rows", "columns"), list(itertools.product((1, 3, 4), (1, 2, 5))))
def test_the_path_costs_least_of_all(rows, columns):
    costs = torch.rand(rows, columns, generator=torch.Generator().manual_seed(rows * columns), dtype=torch.float64)
    path = warping_path(costs)
    least = min(sum(float(costs[pair]) for pair in path) for path in paths(rows - 1, columns - 1))
    assert float(costs[path[:, 0], path[:, 1]].sum()) == pytest.approx(least)
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [rows - 1, columns - 1]


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (torch.zeros(0, 20), torch.zeros(3, 20), "is empty"),
        (torch.zeros(3, 20), torch.zeros(3, 21), "width 20"),
        (torch.full((3, 20), float("nan")), torch.zeros(3, 20), "NaN"),
        (torch.zeros(3, 20), torch.zeros(3, 20, 1), "2 dimension"),
        (torch.zeros(3, 8), torch.zeros(3, 8), "order 13"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, says):
    with pytest.raises(ValueError, match=says):
        mel_cepstral_distance(a, b)
