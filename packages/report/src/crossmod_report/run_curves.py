"""Which charts the metrics of a run make: loss, its terms, what was measured, learning rate, speed.

Every number that was logged is drawn somewhere. Quantities share a chart when they share the part of their name
before ``/``, ``@`` or ``_at_`` and lie in [0, 1]; any other gets a chart of its own: no scale hides another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from crossmod_report.curves import line_chart
from crossmod_report.markup import Svg
from crossmod_report.metrics_log import Series, metric_series, steps_per_second

CHART_WIDTH, CHART_HEIGHT = 470.0, 290.0
_LOSS, _TERMS, _MEASURED, _RATE, _SPEED = range(5)


@final
@dataclass(kw_only=True)
class _Chart:
    kind: int
    title: str
    unit: str = ""
    series: dict[tuple[str, str], Series] = field(default_factory=dict)


def run_curves(rows: Sequence[Mapping[str, Any]], chance: Mapping[str, float] | None = None) -> list[Svg]:
    """Draw every logged quantity over steps, with the level of `chance` where the name of a quantity has one."""
    found, _ = metric_series(rows)
    charts: dict[tuple[int, str], _Chart] = {}
    for (split, name), values in found.items():
        kind, title, unit = _place(split, name, values)
        chart = charts.setdefault((kind, title), _Chart(kind=kind, title=title, unit=unit))
        chart.series[split, name] = values
    if not any(kind == _SPEED for kind, _ in charts):
        steps, speeds = steps_per_second(rows)
        if steps:
            speed = _Chart(kind=_SPEED, title="throughput", unit="steps per second")
            speed.series["train", "steps per second"] = (steps, speeds)
            charts[_SPEED, speed.title] = speed
    # Within a kind what was measured on held-out data comes before what the training batches say.
    ordered = sorted(charts.values(), key=lambda chart: (chart.kind, all(s == "train" for s, _ in chart.series)))
    return [_drawn(chart, chance or {}) for chart in ordered]


def _place(split: str, name: str, values: Series) -> tuple[int, str, str]:
    plain = name.lower()
    if plain == "loss":
        return _LOSS, "loss", ""
    if plain.startswith(("loss/", "loss_", "loss.")) or plain.endswith("loss"):
        return _TERMS, f"loss terms, {split}", ""
    if "learning_rate" in plain or re.match(r"lr(\W|$)", plain):
        return _RATE, "learning rate", ""
    if plain.endswith("_per_second"):
        return _SPEED, name.replace("_", " "), ""
    if all(not abs(value) < float("inf") or 0.0 <= value <= 1.0 for value in values[1]):
        return _MEASURED, _family(name), ""
    return _MEASURED, name, ""


def _family(name: str) -> str:
    return re.split(r"/|@|_at_", name, maxsplit=1)[0] or name


def _drawn(chart: _Chart, chance: Mapping[str, float]) -> Svg:
    splits = sorted({split for split, _ in chart.series})
    names = sorted({name for _, name in chart.series})
    drawn: dict[str, Series] = {}
    smoothing: dict[str, float] = {}
    for (split, name), values in chart.series.items():
        label = _label(name, chart, alone=len(names) == 1)
        if len(splits) > 1 or not label:
            label = f"{split} {label}".strip()
        drawn[label] = values
        if split == "train" and chart.kind in (_LOSS, _TERMS, _SPEED):
            smoothing[label] = _weight(len(values[0]))
    return line_chart(
        drawn,
        title=chart.title if len(splits) > 1 or splits[0] in chart.title else f"{chart.title}, {splits[0]}",
        x_label="step",
        y_label=chart.unit,
        smoothing=smoothing,
        references=_references(names, chart, chance),
        width=CHART_WIDTH,
        height=CHART_HEIGHT,
    )


def _label(name: str, chart: _Chart, *, alone: bool) -> str:
    if alone:
        return ""
    if chart.kind == _MEASURED and name.startswith(f"{chart.title}/"):
        return name.removeprefix(f"{chart.title}/")
    return name.removeprefix("loss/") if chart.kind == _TERMS else name


def _references(names: Iterable[str], chart: _Chart, chance: Mapping[str, float]) -> dict[str, float]:
    levels = {name: chance[name] for name in names if name in chance}
    if len(set(levels.values())) == 1:
        return {"chance": next(iter(levels.values()))}
    return {f"chance {_label(name, chart, alone=False)}": value for name, value in levels.items()}


def _weight(points: int) -> float:
    """Average over about a fiftieth of the curve, once it has enough points to hide anything in its noise."""
    return 0.0 if points < 100 else 1.0 - 50.0 / points if points < 5000 else 0.99
