"""What is drawn of a series: its average, its gaps and no more points than there are pixels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_report.polyline import exponential_average, path_data, thinned, unbroken_runs

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


def slow_average(values: list[float], weight: float) -> list[float]:
    averaged, moment = [], 0.0
    for count, value in enumerate(values, start=1):
        moment = weight * moment + (1 - weight) * value
        averaged.append(moment / (1 - weight**count))
    return averaged


@given(VALUES, st.floats(0, 0.99))
def test_the_average_is_the_bias_corrected_moving_mean(values, weight):
    assert exponential_average(values, weight) == pytest.approx(slow_average(values, weight), rel=1e-6, abs=1e-3)


def test_a_constant_is_its_own_average_from_the_first_point():
    assert exponential_average([0.7] * 50, 0.97) == [0.7] * 50


def test_a_value_that_is_not_finite_passes_through_and_does_not_poison_the_average():
    with_gap = exponential_average([1.0, math.nan, math.inf, 3.0], 0.5)
    assert math.isnan(with_gap[1])
    assert with_gap[2] == math.inf
    assert [with_gap[0], with_gap[3]] == exponential_average([1.0, 3.0], 0.5)


@pytest.mark.parametrize("weight", [1.0, -0.1, math.nan])
def test_a_weight_outside_its_range_is_refused(weight):
    with pytest.raises(ValueError, match="smoothing"):
        exponential_average([1.0], weight)


def test_runs_break_at_gaps_and_only_there():
    a, b, c = (0.0, 0.0), (1.0, 1.0), (2.0, 2.0)
    assert unbroken_runs([None, a, b, None, None, c]) == [[a, b], [c]]
    assert unbroken_runs([]) == []


def test_thinning_keeps_spikes_ends_and_order_within_four_points_a_pixel():
    points = [(index / 1000, 5.0) for index in range(10_000)]
    points[4321] = (4.321, -100.0)
    points[4322] = (4.322, 100.0)
    kept = thinned(points)
    assert {points[0], points[4321], points[4322], points[-1]} <= set(kept)
    assert kept == sorted(kept)
    assert len(kept) <= 4 * 10


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 100)), min_size=1))
def test_thinning_invents_no_point_and_keeps_the_height_of_every_pixel_column(points):
    points = sorted((x / 4, y) for x, y in points)
    kept = thinned(points)
    assert set(kept) <= set(points)
    for column in {int(x) for x, _ in points}:
        before = [y for x, y in points if int(x) == column]
        after = [y for x, y in kept if int(x) == column]
        assert (min(before), max(before)) == (min(after), max(after))


def test_path_data_is_one_move_and_then_lines():
    assert path_data([(1.0, 2.0), (3.04, 4.0), (5.55, 6.0)]) == "M1 2L3 4L5.5 6"
