"""Ticks stand where a reader expects them, for every range that can be logged."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_report.axis import Axis, drawable, linear_ticks, log_ticks, short_number, tick_labels

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("low", "high", "count", "ticks"),
    [
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-1, 1, 4, [-1, -0.5, 0, 0.5, 1]),
        (0.13, 0.47, 4, [0.2, 0.3, 0.4]),
        (0, 2000, 4, [0, 500, 1000, 1500, 2000]),
        (1e-7, 3e-7, 4, [1e-7, 1.5e-7, 2e-7, 2.5e-7, 3e-7]),
        (1e6 + 1, 1e6 + 2, 2, [1000001, 1000001.5, 1000002]),
    ],
)
def test_linear_ticks_are_the_round_values_of_the_range(low, high, count, ticks):
    assert linear_ticks(low, high, count) == pytest.approx(ticks, rel=1e-12)


def test_ticks_are_exact_decimals_not_sums_of_a_step():
    assert linear_ticks(0, 0.6, 6) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1e-4, 1, [1e-4, 1e-3, 1e-2, 1e-1, 1]),
        (2, 60, [2, 5, 10, 20, 50]),
        (1e-12, 1, [1e-12, 1e-9, 1e-6, 1e-3, 1]),
        (3.0, 4.0, [3, 3.2, 3.4, 3.6, 3.8, 4]),
    ],
)
def test_log_ticks_are_powers_of_ten_or_a_finer_choice_in_a_narrow_range(low, high, ticks):
    assert log_ticks(low, high, 5) == pytest.approx(ticks)


@given(st.lists(FINITE, max_size=6), st.booleans())
def test_every_axis_has_ordered_ticks_inside_and_places_its_values_between_0_and_1(values, log):
    axis = Axis.spanning(values, log=log)
    assert axis.low < axis.high
    ticks = axis.ticks()
    assert ticks == sorted(ticks)
    assert len(ticks) <= 12
    assert len(tick_labels(ticks)) == len(ticks)
    for value in [*ticks, *(value for value in values if drawable(value, log=log))]:
        assert -1e-6 <= axis.fraction(value) <= 1 + 1e-6


def test_a_constant_stands_in_the_middle_of_its_axis():
    assert Axis.spanning([3.0, 3.0]).fraction(3.0) == pytest.approx(0.5)
    assert Axis.spanning([0.0]).fraction(0.0) == pytest.approx(0.5)
    assert Axis.spanning([1e-4], log=True).fraction(1e-4) == pytest.approx(0.5)


def test_a_logarithmic_axis_gives_each_decade_the_same_room():
    axis = Axis(low=1.0, high=1e4, log=True)
    assert [axis.fraction(10.0**power) for power in range(5)] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_an_axis_of_whole_numbers_has_no_tick_between_them():
    assert Axis(low=0.0, high=2.0, whole=True).ticks(5) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 0.05, 0.1], ["0.00", "0.05", "0.10"]),
        ([-20.0, 0.0, 20.0], ["-20", "0", "20"]),
        ([0.0, 5e5, 1e6], ["0", "0.5M", "1.0M"]),
        ([0.0, 2e-5, 4e-5], ["0", "2e-5", "4e-5"]),
        ([0.01, 0.1, 1.0, 10.0], ["0.01", "0.1", "1", "10"]),
        ([7.0], ["7"]),
        ([], []),
    ],
)
def test_labels_of_one_axis_are_written_alike(ticks, labels):
    assert tick_labels(ticks) == labels


@given(FINITE.filter(lambda value: value == 0 or 1e-290 < abs(value) < 1e290))
def test_a_short_number_reads_back_to_its_three_digits(value):
    text = short_number(value)
    unit = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1.0)
    assert float(text.rstrip("kMG")) * unit == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e301])
def test_what_no_chart_can_place_is_not_drawable(value):
    assert not drawable(value)


def test_zero_and_negatives_are_not_drawable_on_a_logarithmic_axis():
    assert drawable(0.0)
    assert not drawable(0.0, log=True)
    assert not drawable(-1.0, log=True)
