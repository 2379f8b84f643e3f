"""A line chart is well-formed, truthful about gaps, and the same bytes every time."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_report import Svg, line_chart
from crossmod_report.curve_names import spread_apart

SPACE = "{http://www.w3.org/2000/svg}"
LABELS = {"title": "loss", "x_label": "step", "y_label": "nats"}
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)


def lines(svg: str, opacity: str | None = None) -> list[list[tuple[float, float]]]:
    """The polylines of the curves, without legend strokes and crosses."""
    found = []
    for path in ElementTree.fromstring(svg).iter(f"{SPACE}path"):
        data = path.attrib["d"]
        if path.attrib["class"].startswith("line") and "h" not in data and path.get("stroke-opacity") == opacity:
            pairs = [pair.split() for pair in data.removeprefix("M").split("L")]
            found.append([(float(x), float(y)) for x, y in pairs])
    return found


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SPACE}text")]


def test_points_are_placed_in_proportion_to_their_values():
    (line,) = lines(line_chart({"a": ([0, 1, 2, 4], [0, 1, 2, 4])}, **LABELS))
    xs, ys = zip(*line, strict=True)
    assert [(x - xs[0]) / (xs[-1] - xs[0]) for x in xs] == pytest.approx([0, 0.25, 0.5, 1], abs=1e-3)
    assert [(y - ys[0]) / (ys[-1] - ys[0]) for y in ys] == pytest.approx([0, 0.25, 0.5, 1], abs=1e-3)
    assert ys[0] > ys[-1], "larger values stand higher, and SVG counts downwards"


def test_a_nan_breaks_the_line_is_marked_and_is_counted():
    svg = line_chart({"a": (range(6), [1, 2, math.nan, 3, 4, 5])}, **LABELS)
    assert [len(line) for line in lines(svg)] == [2, 3]
    assert len([node for node in ElementTree.fromstring(svg).iter() if node.get("class") == "cross"]) == 1
    assert any("1 point not finite" in text for text in texts(svg))


def test_the_average_does_not_bridge_a_gap():
    svg = line_chart({"a": (range(6), [1, 9, math.nan, 3, 9, 5])}, smoothing=0.5, **LABELS)
    assert [len(line) for line in lines(svg)] == [2, 3]
    assert [len(line) for line in lines(svg, opacity="0.3")] == [2, 3]


def test_smoothing_by_name_leaves_the_other_series_raw():
    series = {"a": (range(4), [0, 1, 0, 1]), "b": (range(4), [1, 0, 1, 0])}
    assert len(lines(line_chart(series, smoothing={"a": 0.9}, **LABELS), opacity="0.3")) == 1


def test_one_point_is_a_dot_with_finite_coordinates():
    svg = line_chart({"a": ([10], [0.5])}, **LABELS)
    (dot,) = ElementTree.fromstring(svg).iter(f"{SPACE}circle")
    assert 0 < float(dot.attrib["cx"]) < 640
    assert 0 < float(dot.attrib["cy"]) < 320


@pytest.mark.parametrize("series", [{}, {"a": ([], [])}])
def test_nothing_logged_says_so(series):
    assert "no points yet" in texts(line_chart(series, **LABELS))


def test_a_series_of_only_nan_is_reported_and_not_called_empty():
    svg = line_chart({"a": ([1, 2], [math.nan, math.inf])}, **LABELS)
    assert any("2 points not finite" in text for text in texts(svg))
    assert "no points yet" not in texts(svg)


def test_zero_on_a_logarithmic_axis_is_a_gap():
    svg = line_chart({"a": (range(5), [1, 10, 0, 100, 1000])}, log_y=True, **LABELS)
    first, second = lines(svg)
    assert first[0][1] - first[1][1] == pytest.approx(second[0][1] - second[1][1], abs=0.11)


def test_few_series_are_named_at_their_ends_and_many_in_a_legend():
    few = line_chart({name: ([0, 1], [0, 1]) for name in "ab"}, **LABELS)
    many = line_chart({name: ([0, 1], [0, 1]) for name in "abcdefghi"}, **LABELS)
    places = {
        node.text: (float(node.attrib["x"]), float(node.attrib["y"]))
        for node in ElementTree.fromstring(few).iter(f"{SPACE}text")
    }
    assert places["a"][0] == places["b"][0] > 500
    assert abs(places["a"][1] - places["b"][1]) >= 15
    assert set("abcdefghi") <= set(texts(many))


def test_more_series_than_colours_still_look_different():
    svg = line_chart({str(index): ([0, 1], [0, index]) for index in range(20)}, **LABELS)
    looks = {
        (path.get("stroke"), path.get("stroke-dasharray"))
        for path in ElementTree.fromstring(svg).iter(f"{SPACE}path")
        if path.attrib["class"].startswith("line")
    }
    assert len(looks) == 20


def test_a_reference_is_drawn_inside_the_range_even_when_no_value_comes_near():
    svg = line_chart({"a": ([0, 1], [0.8, 0.9])}, references={"chance": 0.1}, **LABELS)
    (rule,) = [node for node in ElementTree.fromstring(svg).iter() if node.get("class") == "reference"]
    assert float(rule.attrib["y1"]) == float(rule.attrib["y2"]) > lines(svg)[0][0][1]
    assert "chance 0.1" in texts(svg)


def test_a_missing_y_is_refused_with_both_counts():
    with pytest.raises(ValueError, match="'a' has 3 x values and 2 y values"):
        line_chart({"a": ([1, 2, 3], [1, 2])}, **LABELS)


def test_two_hundred_thousand_steps_stay_a_small_picture():
    steps = range(200_000)
    assert len(line_chart({"a": (steps, [math.sin(step / 9) for step in steps])}, **LABELS)) < 60_000


def test_hostile_names_are_text():
    hostile = '</text><script>alert(1)</script>"\x00\ud800&'
    svg = line_chart({hostile: ([0], [1]), "b": ([0], [2])}, title=hostile, x_label=hostile, y_label=hostile)
    assert "script" not in {node.tag.removeprefix(SPACE) for node in ElementTree.fromstring(svg).iter()}


def test_the_same_series_give_the_same_bytes():
    series = {"b": (range(50), [math.sin(x) for x in range(50)]), "a": (range(3), [1, 2, 3])}
    assert line_chart(series, **LABELS) == line_chart(series, **LABELS)
    assert isinstance(line_chart(series, **LABELS), Svg)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ANY_NUMBER, ANY_NUMBER), max_size=12), st.booleans(), st.floats(0, 0.99))
def test_any_numbers_give_a_well_formed_chart_without_nan_inside(points, log_y, smoothing):
    xs, ys = [x for x, _ in points], [y for _, y in points]
    svg = line_chart({"a": (xs, ys), "b": (ys, xs)}, log_y=log_y, smoothing=smoothing, **LABELS)
    for node in ElementTree.fromstring(svg).iter():
        for name in ("d", "x", "y", "x1", "y1", "cx", "cy"):
            assert not re.search("nan|inf", node.get(name, ""))


@given(st.lists(st.floats(0, 200), max_size=8))
def test_labels_pushed_apart_do_not_overlap_and_stay_inside(heights):
    placed = spread_apart(sorted(heights), 10.0, 0.0, 200.0)
    assert all(after - before >= 10 - 1e-9 for before, after in pairwise(placed))
    assert all(0 <= height <= 200 for height in placed)
