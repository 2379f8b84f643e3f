"""The page of one training run, from plain data: the result beside chance first, how to use it last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from crossmod_report.blocks import Code, Facts, Figures, Notices
from crossmod_report.markup import Svg
from crossmod_report.metrics_log import MetricsLog, metric_series
from crossmod_report.page import Page, Part, Section
from crossmod_report.retrieval_sheet import RetrievalSheet
from crossmod_report.run_curves import run_curves
from crossmod_report.tables import Table


@final
@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What is known of one run.

    `results` are tables with their chance or baseline rows; `chance` gives the chance level of a logged quantity
    by its name; `figures` are further charts of the result, such as `rank_histogram`; `warnings` are sentences,
    such as rejected rows or truncated texts; `usage` maps what a reader may want (load, resume) to the command for
    it; `facts` are further facts of what was trained.
    """

    name: str
    domain: str
    corpus: str
    seed: int
    command: str
    recipe: str
    status: str = ""
    environment: Mapping[str, object] = field(default_factory=dict)
    metrics: MetricsLog = field(default_factory=lambda: MetricsLog(rows=[]))
    results: Sequence[Table] = ()
    chance: Mapping[str, float] = field(default_factory=dict)
    figures: Sequence[Svg] = ()
    sheets: Sequence[RetrievalSheet] = ()
    warnings: Sequence[str] = ()
    usage: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)


def run_report(run: RunRecord) -> Page:
    """Arrange a run as a page: result, warnings, curves, retrieval, what was trained, use, recipe, environment.

    The page adds warnings of its own: unreadable metric lines, repeated steps, values that are not finite.
    """
    warnings = [*run.warnings, *metric_warnings(run.metrics)]
    sections = [Section(title="Result", parts=_result(run))]
    if warnings:
        sections.append(Section(title=f"Warnings ({len(warnings)})", parts=[Notices(sentences=warnings)]))
    charts = run_curves(run.metrics.rows, run.chance)
    curves: Part = Figures(charts=charts) if charts else "No metrics were logged."
    sections.append(Section(title="Curves", parts=[curves]))
    if run.sheets:
        sections.append(Section(title="Retrieval", parts=list(run.sheets)))
    sections.append(Section(title="What was trained", parts=_trained(run)))
    if run.usage:
        use = [Code(title=purpose, text=command) for purpose, command in run.usage.items()]
        sections.append(Section(title="Load and resume", parts=use))
    sections.append(Section(title="Recipe", parts=[Code(text=run.recipe)]))
    if run.environment:
        facts = Facts(values=dict(_flat(run.environment)))
        sections.append(Section(title="Environment", parts=[facts]))
    return Page(title=run.name, summary=_summary(run, len(warnings)), sections=sections)


def metric_warnings(metrics: MetricsLog) -> list[str]:
    """Say what is wrong with logged metrics: unreadable lines, repeated steps, values that are not finite."""
    series, replaced = metric_series(metrics.rows)
    sentences = []
    if metrics.unreadable_lines:
        lines = _counted(metrics.unreadable_lines, "line")
        sentences.append(f"{lines} of the metrics left out as unreadable, as after a killed process.")
    if replaced:
        values = _counted(replaced, "value")
        sentences.append(f"{values} logged twice at the same step, as after a resume: the later is shown.")
    for (split, name), (steps, numbers) in series.items():
        bad = [step for step, number in zip(steps, numbers, strict=True) if not math.isfinite(number)]
        if bad:
            count = _counted(len(bad), "value")
            sentences.append(f"{name} ({split}): {count} not finite, the first at step {bad[0]:.0f}.")
    return sentences


def _result(run: RunRecord) -> list[Part]:
    parts: list[Part] = [*run.results]
    if not run.results:
        parts.append("No evaluation has been run.")
    if run.figures:
        parts.append(Figures(charts=run.figures))
    return parts


def _trained(run: RunRecord) -> list[Part]:
    facts: dict[str, object] = {"domain": run.domain, "corpus": run.corpus, "seed": run.seed}
    if run.status:
        facts["status"] = run.status
    return [Facts(values={**facts, **run.facts}), Code(title="command", text=run.command)]


def _summary(run: RunRecord, warnings: int) -> str:
    steps = [row["step"] for row in run.metrics.rows]
    parts = [run.domain, run.corpus, f"seed {run.seed}"]
    if steps:
        parts.append(f"{max(steps):g} steps" if max(steps) < 1e6 else f"{max(steps):,.0f} steps")
    if run.status:
        parts.append(run.status)
    if warnings:
        parts.append(_counted(warnings, "warning"))
    return " · ".join(part for part in parts if part)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(str(item) for item in value)
        else:
            yield f"{prefix}{name}", value
