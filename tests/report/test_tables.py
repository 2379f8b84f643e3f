"""One table, three writings: the best value is marked truthfully, and no cell can break its table."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from crossmod_report import Column, Estimate, Row, Table, html_table, markdown_table, text_table
from crossmod_report.lettering import cell_width

COLUMNS = [
    Column(key="model", title="model"),
    Column(key="recall", title="recall", better="higher"),
    Column(key="rank", title="rank", decimals=1, better="lower"),
]
RESULT = Row(cells={"model": "ours", "recall": Estimate(value=0.5124, low=0.48, high=0.54), "rank": 3})
CHANCE = Row(cells={"model": "chance", "recall": 0.001, "rank": 500.5}, role="reference")


def table(*rows: Row) -> Table:
    return Table(title="Held out", columns=COLUMNS, rows=rows)


def test_numbers_of_a_column_share_their_decimals():
    assert table(RESULT, CHANCE).texts() == [
        ["ours", "0.512 [0.480, 0.540]", "3.0"],
        ["chance", "0.001", "500.5"],
    ]


def test_the_best_is_the_highest_or_the_lowest_as_the_column_says():
    assert table(RESULT, CHANCE).best() == [[False, True, True], [False, False, False]]


def test_chance_is_marked_when_it_wins():
    worse = Row(cells={"model": "ours", "recall": 0.0, "rank": 900.0})
    assert table(worse, CHANCE).best()[1] == [False, True, True]


def test_ties_at_the_shown_decimals_all_win():
    rows = [Row(cells={"recall": value}) for value in (0.51231, 0.51239, 0.5)]
    assert [marks[1] for marks in table(*rows).best()] == [True, True, False]


@pytest.mark.parametrize("other", [None, math.nan, math.inf, "failed"])
def test_a_number_alone_in_its_column_is_not_called_best(other):
    rows = [Row(cells={"recall": 0.5}), Row(cells={"recall": other})]
    assert not any(any(marks) for marks in table(*rows).best())


def test_html_marks_the_best_and_sets_references_apart():
    root = ElementTree.fromstring(f"<div>{html_table(table(RESULT, CHANCE))}</div>")
    assert [node.text for node in root.iter("strong")] == ["0.512 [0.480, 0.540]", "3.0"]
    assert [row.get("class") for row in root.iter("tr")] == [None, None, "reference"]
    assert [head.text for head in root.iter("th")] == ["model", "recall ↑", "rank ↓", "ours", "chance"]


def test_markdown_has_one_line_a_row_and_escapes_what_would_split_it():
    hostile = Row(cells={"model": "a|b\n**x** <script>`", "recall": 0.1})
    lines = markdown_table(Table(columns=COLUMNS, rows=[hostile, CHANCE])).splitlines()
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    assert r"a\|b \*\*x\*\* \<script\>\`" in lines[2]
    assert lines[1] == "| --- | ---: | ---: |"


def test_a_terminal_table_is_aligned_even_with_wide_and_combining_signs():
    rows = [Row(cells={"model": name, "recall": 0.5}) for name in ("分子模型", "e\u0301te", "plain")]
    lines = text_table(Table(columns=COLUMNS[:2], rows=rows)).splitlines()
    assert len({cell_width(line.rstrip("*")) for line in lines[2:]}) == 1
    assert all(line.rstrip("*").endswith("0.500") for line in lines[2:])


def test_a_terminal_table_cannot_be_used_to_drive_the_terminal():
    text = text_table(Table(columns=COLUMNS, rows=[Row(cells={"model": "\x1b[2J\x07\u202e\rgone"})]))
    assert not set("\x1b\x07\u202e\r") & set(text)


def test_no_rows_say_so():
    assert "no rows yet" in html_table(table())


def test_a_cell_without_a_column_is_refused_by_name():
    with pytest.raises(ValueError, match="'recal' and no such column"):
        table(Row(cells={"recal": 0.5}))


def test_two_columns_of_one_key_are_refused():
    with pytest.raises(ValueError, match="'model'"):
        Table(columns=[COLUMNS[0], COLUMNS[0]], rows=[])
