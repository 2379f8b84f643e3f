"""Weights of one axis: closed forms, mirror images, and what lies outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_medical.resampling.weights import axis_weights, places_mm


def test_linear_weights_are_the_shares_of_the_two_neighbours() -> None:
    found = axis_weights(np.array([0.0, 2.0, 4.0]), np.array([0.0, 0.5, 3.0, 4.0]), "linear")
    assert found.weights.tolist() == [[1, 0, 0], [0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1]]


def test_a_voxel_reaches_half_way_beyond_the_ends_and_no_further() -> None:
    found = axis_weights(np.array([0.0, 2.0]), np.array([-1.5, -1.0, 3.0, 3.1]), "linear")
    assert found.inside.tolist() == [False, True, True, False]
    assert found.weights.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0]]


@given(
    st.lists(st.floats(0.1, 9.0), min_size=1, max_size=12),
    st.floats(0.2, 20.0),
    st.integers(1, 20),
    st.sampled_from(["linear", "area"]),
)
def test_a_turned_axis_gives_turned_weights_and_rows_sum_to_one(
    gaps: list[float], spacing: float, count: int, interpolation: str
) -> None:
    positions = np.cumsum([0.0, *gaps]) - sum(gaps) / 2
    places = places_mm(0.0, spacing, count)
    found = axis_weights(positions, places, interpolation)
    turned = axis_weights(-positions, places, interpolation)
    assert np.allclose(found.weights, turned.weights[::-1], atol=1e-5)
    assert np.array_equal(found.inside, turned.inside[::-1]) or count == 1
    assert found.weights[found.inside].sum(1) == pytest.approx(1.0, abs=1e-5)
    assert not found.weights[~found.inside].any()


def test_what_is_linear_stays_linear_however_uneven_the_voxels() -> None:
    positions = np.array([0.0, 1.0, 4.0, 4.5, 9.0])
    places = np.linspace(0.5, 8.5, 17)
    for interpolation in ("linear", "area"):
        found = axis_weights(positions, places, interpolation)
        between = slice(4, -4)  # a mean over a place that reaches past the end is not at its middle
        assert (found.weights @ (3 * positions + 1))[between] == pytest.approx((3 * places + 1)[between], abs=0.6)
    linear = axis_weights(positions, places, "linear")
    assert linear.weights @ (3 * positions + 1) == pytest.approx(3 * places + 1, abs=1e-4)


def test_area_keeps_the_share_of_what_linear_jumps_over() -> None:
    positions = np.arange(64.0)
    signal = np.zeros(64)
    signal[33] = 64.0  # one voxel, which a grid eight times coarser may step over
    places = places_mm(31.5, 8.0, 8)
    linear = axis_weights(positions, places, "linear").weights @ signal
    area = axis_weights(positions, places, "area").weights @ signal
    assert linear.sum() == 0.0
    assert area.sum() * 8 == pytest.approx(64.0, rel=0.02)


def test_one_voxel_is_everywhere_and_folded_axes_are_refused() -> None:
    assert axis_weights(np.array([5.0]), np.array([0.0, 90.0]), "linear").weights.tolist() == [[1], [1]]
    with pytest.raises(ValueError, match="neither rise nor fall"):
        axis_weights(np.array([0.0, 2.0, 1.0]), np.array([0.0]), "linear")
