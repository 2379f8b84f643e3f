"""A heat map gives each value its cell and its colour, and leaves a hole where there is no value."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from crossmod_report import heat_map
from crossmod_report.heat import LARGEST_SIDE, colour_at

SPACE = "{http://www.w3.org/2000/svg}"


def cells(svg: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(svg).iter(f"{SPACE}rect") if node.find(f"{SPACE}title") is not None]


def fills(svg: str) -> list[str]:
    return [cell.attrib["fill"] for cell in cells(svg)]


def test_cells_stand_in_rows_and_columns_with_their_values_named():
    drawn = cells(heat_map([[1, 2, 3], [4, 5, 6]], title="t", row_labels=["a", "b"], column_labels=["x", "y", "z"]))
    assert [cell[0].text for cell in drawn] == ["a, x: 1", "a, y: 2", "a, z: 3", "b, x: 4", "b, y: 5", "b, z: 6"]
    places = [(float(cell.attrib["y"]), float(cell.attrib["x"])) for cell in drawn]
    assert places == sorted(places)


def test_the_lowest_and_highest_value_have_the_ends_of_the_palette():
    low, middle, high = fills(heat_map([[0, 5, 10]], title="t"))
    assert (low, high) == ("#00224e", "#fee838")
    assert middle not in (low, high)


def test_the_centre_has_the_neutral_colour_and_both_sides_the_same_reach():
    assert fills(heat_map([[-1, 0, 4, -4]], title="t", centre=0.0))[1] == "#f7f7f7"
    assert fills(heat_map([[-4, 4]], title="t", centre=0.0)) == ["#05508c", "#b23214"]


def test_a_value_that_is_not_finite_is_a_hole_and_does_not_stretch_the_colours():
    with_hole = fills(heat_map([[0, math.nan, 1, math.inf]], title="t"))
    assert with_hole[1] == with_hole[3] == "none"
    assert [with_hole[0], with_hole[2]] == fills(heat_map([[0, 1]], title="t"))


@pytest.mark.parametrize("matrix", [[], [[]], [[math.nan]], [[3.0]], [[2.0, 2.0]]])
def test_degenerate_matrices_are_well_formed(matrix):
    ElementTree.fromstring(heat_map(matrix, title="t"))
    ElementTree.fromstring(heat_map(matrix, title="t", centre=0.0))


def test_ragged_rows_wrong_labels_and_too_many_cells_are_refused():
    with pytest.raises(ValueError, match="the same number"):
        heat_map([[1, 2], [3]], title="t")
    with pytest.raises(ValueError, match="1 row labels for 2 rows"):
        heat_map([[1], [2]], title="t", row_labels=["a"])
    with pytest.raises(ValueError, match=f"at most {LARGEST_SIDE}"):
        heat_map([[0] * (LARGEST_SIDE + 1)], title="t")


def test_colours_between_two_anchors_are_their_mean():
    assert colour_at(0.5, [(0, 0, 0), (10, 20, 30)]) == (5, 10, 15)
    assert colour_at(7.0, [(0, 0, 0), (10, 20, 30)]) == (10, 20, 30)


def test_hostile_labels_are_text():
    svg = heat_map([[1]], title="<script>", row_labels=["</svg><script>"], column_labels=['"'])
    assert not [node for node in ElementTree.fromstring(svg).iter() if "script" in node.tag]
