"""Metrics are read back whole after a clean end, a kill in mid-line, and a resume."""

from __future__ import annotations

import json
import math

import pytest

from crossmod_report import read_metrics
from crossmod_report.metrics_log import metric_series, steps_per_second

ROWS = [
    {"step": 0, "time": 0.0, "split": "train", "loss": 3.0},
    {"step": 10, "time": 2.0, "split": "train", "loss": 2.0},
    {"step": 10, "time": 2.5, "split": "validation", "loss": 2.2},
]


def written(tmp_path, content: bytes):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content)
    return read_metrics(path)


def lines(rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_every_row_comes_back_in_order(tmp_path):
    log = written(tmp_path, lines(ROWS))
    assert (log.rows, log.unreadable_lines) == (ROWS, 0)


def test_any_cut_of_the_file_loses_at_most_the_line_it_cuts(tmp_path):
    content = lines(ROWS)
    for length in range(len(content)):
        log = written(tmp_path, content[:length])
        whole = content[:length].count(b"\n")
        # A cut just before the line end leaves a line that is complete.
        assert log.rows[:whole] == ROWS[:whole]
        assert len(log.rows) + log.unreadable_lines == whole + (not content[:length].endswith(b"\n") and length > 0)


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"[1]",
        b'{"loss": 1}',
        b'{"step": "1"}',
        b'{"step": true}',
        b'{"step": NaN}',
        b'{"step": 1' + b"0" * 400 + b"}",
        b'{"step": 1, "name": "\xff"}',
        b"[" * 100_000,
        b"\x00\x00\x00",
    ],
)
def test_a_line_that_is_no_row_is_counted_and_left_out(tmp_path, line):
    log = written(tmp_path, lines(ROWS[:1]) + line + b"\n\n" + lines(ROWS[1:]))
    assert (log.rows, log.unreadable_lines) == (ROWS, 1)


def test_a_number_too_large_for_a_float_is_infinite_and_stops_nothing(tmp_path):
    log = written(tmp_path, b'{"step": 1, "loss": 1' + b"0" * 400 + b"}\n")
    series, _ = metric_series(log.rows)
    assert series["train", "loss"] == ([1.0], [math.inf])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no metrics at .*absent"):
        read_metrics(tmp_path / "absent")


def test_series_are_apart_by_split_and_leave_out_what_is_no_number():
    series, replaced = metric_series([*ROWS, {"step": 20, "note": "text", "flag": True, "loss": None}])
    assert set(series) == {("train", "loss"), ("validation", "loss")}
    steps, values = series["train", "loss"]
    assert steps == [0, 10, 20]
    assert values[:2] == [3.0, 2.0]
    assert math.isnan(values[2])
    assert replaced == 0


def test_after_a_resume_the_later_value_of_a_step_holds_and_steps_rise():
    rows = [{"step": step, "loss": loss} for step, loss in [(0, 3), (1, 2), (2, 9), (3, 9), (2, 1), (3, 0.5), (4, 0.2)]]
    series, replaced = metric_series(rows)
    assert series["train", "loss"] == ([0, 1, 2, 3, 4], [3, 2, 1, 0.5, 0.2])
    assert replaced == 2


def test_speed_is_steps_over_seconds_and_has_no_value_where_a_run_steps_back():
    times = [(0, 0.0), (10, 2.0), (20, 7.0), (10, 100.0), (20, 101.0)]
    rows = [{"step": step, "time": time, "split": "train"} for step, time in times]
    rows.insert(2, {"step": 15, "time": 2.1, "split": "validation"})
    assert steps_per_second(rows) == ([10, 20, 20], [5.0, 2.0, 10.0])


def test_several_rows_of_one_step_count_as_one():
    rows = [{"step": step, "time": time} for step, time in [(0, 0.0), (0, 0.5), (10, 5.0), (10, 5.5)]]
    assert steps_per_second(rows) == ([10], [2.0])
