"""Bars are as long as their values, and the histogram of ranks stands beside what chance would give."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_report import bar_chart, rank_histogram
from crossmod_report.bars import rank_bins

SPACE = "{http://www.w3.org/2000/svg}"


def bars(svg: str) -> list[tuple[float, float]]:
    return [
        (float(node.attrib["x"]), float(node.attrib["width"]))
        for node in ElementTree.fromstring(svg).iter(f"{SPACE}rect")
    ]


def marks(svg: str) -> list[float]:
    return [float(node.attrib["x1"]) for node in ElementTree.fromstring(svg).iter() if node.get("class") == "reference"]


def test_lengths_are_in_proportion_and_start_at_zero():
    (x_a, a), (x_b, b), (_, c) = bars(bar_chart({"a": 0.2, "b": 0.8, "c": 0.0}, title="t"))
    assert x_a == x_b
    assert b / a == pytest.approx(4, rel=0.01)
    assert c == 0


def test_negative_bars_end_where_positive_ones_begin():
    (plus, _), (minus, length) = bars(bar_chart({"plus": 1.0, "minus": -0.5}, title="t"))
    assert minus + length == pytest.approx(plus, abs=0.11)


def test_a_reference_stands_at_its_value_on_the_same_scale():
    svg = bar_chart({"a": 0.8}, title="t", references={"a": 0.2})
    ((x, length),) = bars(svg)
    assert marks(svg) == [pytest.approx(x + length / 4, abs=0.2)]


def test_a_value_that_is_not_finite_has_no_bar_and_is_written():
    svg = bar_chart({"a": 1.0, "b": math.nan}, title="t")
    assert len(bars(svg)) == 1
    assert "nan" in [node.text for node in ElementTree.fromstring(svg).iter(f"{SPACE}text")]


def test_a_reference_without_a_bar_is_refused():
    with pytest.raises(ValueError, match="'b' names no bar"):
        bar_chart({"a": 1.0}, title="t", references={"b": 1.0})


@given(st.integers(1, 100_000))
def test_bins_cover_every_rank_once(gallery_size):
    bins = rank_bins(gallery_size)
    assert bins[0][0] == 1
    assert bins[-1][1] == gallery_size
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(bins))
    assert all(first <= last for first, last in bins)


def test_the_histogram_of_chance_meets_its_own_marks():
    svg = rank_histogram(range(1, 101), gallery_size=100)
    tips = [x + length for x, length in bars(svg)]
    assert marks(svg) == pytest.approx(tips, abs=0.2)


@pytest.mark.parametrize("rank", [0, 11, 1.5, math.nan])
def test_an_impossible_rank_is_refused(rank):
    with pytest.raises(ValueError, match="not a whole number from 1 to 10"):
        rank_histogram([rank], gallery_size=10)


@pytest.mark.parametrize("svg", [bar_chart({}, title="t"), rank_histogram([], gallery_size=5)])
def test_nothing_says_so(svg):
    assert "no values yet" in svg
    ElementTree.fromstring(svg)
