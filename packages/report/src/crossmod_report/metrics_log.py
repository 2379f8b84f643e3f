"""The metrics of a run: one JSON object a line, written while training, read back even after a kill."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

#: Keys that place a row; every other number in it is a measured quantity.
PLACE_KEYS = frozenset({"step", "time", "split", "epoch"})

Series = tuple[list[float], list[float]]


@final
@dataclass(frozen=True, kw_only=True)
class MetricsLog:
    """The rows that could be read, in the order written, and how many lines could not."""

    rows: list[dict[str, Any]]
    unreadable_lines: int = 0


def read_metrics(path: str | os.PathLike[str]) -> MetricsLog:
    """Read a ``metrics.jsonl``: {"step": 10, "time": 1.5, "split": "train", "loss": 2.3} a line.

    A line that is not a JSON object with a number as its step, such as the last one of a killed process, is
    counted and left out.

    Raises:
        ValueError: there is no such file.
    """
    try:
        content = Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"no metrics at {path}: name the metrics.jsonl of a run folder") from None
    rows = []
    unreadable = 0
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        row = _row(line)
        if row is None:
            unreadable += 1
        else:
            rows.append(row)
    return MetricsLog(rows=rows, unreadable_lines=unreadable)


def metric_series(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[tuple[str, str], Series], int]:
    """Gather every quantity as (split, name) -> (steps, values) by rising step, and count the values replaced.

    A run that resumes from a checkpoint logs the steps after it again: of equal steps the later row holds.
    A value of ``null`` is NaN.
    """
    found: dict[tuple[str, str], dict[float, float]] = {}
    replaced = 0
    for row in rows:
        step, split = float(row["step"]), str(row.get("split", "train"))
        for name, value in row.items():
            number = float("nan") if value is None else value
            if name in PLACE_KEYS or isinstance(number, bool) or not isinstance(number, int | float):
                continue
            values = found.setdefault((split, name), {})
            replaced += step in values
            values[step] = float(number)
    series = {key: _by_step(values) for key, values in found.items()}
    return series, replaced


def steps_per_second(rows: Iterable[Mapping[str, Any]]) -> Series:
    """Derive the speed of training from the times of consecutive training rows; a resume's step back has none."""
    steps: list[float] = []
    speeds: list[float] = []
    before: tuple[float, float] | None = None
    for row in rows:
        if str(row.get("split", "train")) != "train" or not isinstance(row.get("time"), int | float):
            continue
        step, time = float(row["step"]), float(row["time"])
        if before is not None and step > before[0] and time > before[1]:
            steps.append(step)
            speeds.append((step - before[0]) / (time - before[1]))
        if before is None or step != before[0]:
            before = (step, time)
    return steps, speeds


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_int=_whole_number)
    except (ValueError, RecursionError):
        return None
    step = row.get("step") if isinstance(row, dict) else None
    placed = isinstance(step, int | float) and not isinstance(step, bool) and math.isfinite(step)
    return row if placed else None


def _whole_number(digits: str) -> int | float:
    """Read a whole number; one that no float64 holds becomes infinite here rather than an overflow later."""
    return int(digits) if len(digits) < 300 else float(digits)


def _by_step(values: Mapping[float, float]) -> Series:
    ordered = sorted(values.items())
    return [step for step, _ in ordered], [value for _, value in ordered]
