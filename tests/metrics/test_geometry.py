"""Gap, alignment and uniformity: closed forms, transcriptions and invariances."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from crossmod_metrics import alignment, modality_gap, uniformity


def pairs(seed=0, count=30, dim=6):
    return torch.randn(2, count, dim, generator=torch.Generator().manual_seed(seed))


def test_the_gap_is_the_length_of_an_orthogonal_offset():
    shared = normalize(torch.randn(50, 4, generator=torch.Generator().manual_seed(1)), dim=1) * math.sqrt(0.75)
    zeros, half = torch.zeros(50, 1), torch.full((50, 1), 0.5)
    a = torch.cat((shared, half, zeros), dim=1)
    b = torch.cat((shared, zeros, half), dim=1)
    assert modality_gap(a, b) == pytest.approx(math.sqrt(0.5), abs=1e-6)
    assert modality_gap(a, a.flip(0)) == pytest.approx(0.0, abs=1e-12)


def test_alignment_of_equal_orthogonal_and_opposite_pairs():
    a = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert alignment(a, 5 * a) == 0.0
    assert alignment(a, a.flip(0)) == pytest.approx(2.0)
    assert alignment(a, -a) == pytest.approx(4.0)
    assert alignment(a, -a, alpha=1.0) == pytest.approx(2.0)


@pytest.mark.parametrize("memory_bytes", [1, 2_000, 2**20])
def test_uniformity_equals_the_mean_over_different_pairs(memory_bytes):
    a, _ = pairs(2)
    squared = torch.pdist(normalize(a.double(), dim=1)).square()
    expected = float(torch.exp(-2 * squared).mean().log())
    assert uniformity(a, memory_bytes=memory_bytes) == pytest.approx(expected, abs=1e-10)


def test_uniformity_of_one_point_and_of_opposite_points():
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0.0, abs=1e-12)
    assert uniformity(torch.tensor([[1.0], [-1.0]])) == pytest.approx(-8.0)


def test_a_common_rotation_and_the_lengths_change_nothing():
    a, b = pairs(3)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(4))).Q
    lengths = torch.rand(30, 1, generator=torch.Generator().manual_seed(5)) + 0.5
    for measure in (modality_gap, alignment, lambda x, y: uniformity(torch.cat((x, y)))):
        assert measure(a @ rotation * lengths, b @ rotation) == pytest.approx(measure(a, b), abs=1e-5)


def test_half_precision_is_computed_in_double():
    a, b = pairs(6).bfloat16()
    assert alignment(a, b) == alignment(a.double(), b.double())


def test_hostile_input_is_refused_in_words():
    a, b = pairs()
    with pytest.raises(ValueError, match="1 embedding"):
        modality_gap(torch.cat((a, torch.zeros(1, 6))), b)
    with pytest.raises(ValueError, match="NaN"):
        alignment(a * torch.nan, b)
    with pytest.raises(ValueError, match="a 30, b 29"):
        alignment(a, b[:29])
    with pytest.raises(ValueError, match="one sample"):
        uniformity(a[:1])
    with pytest.raises(ValueError, match="is empty"):
        modality_gap(a[:0], b)
    with pytest.raises(ValueError, match="width 6 and b has width 5"):
        modality_gap(a, b[:, :5])
