"""Zero-shot scores of every subgroup apart: does a model tell the same of the old, of women, of another scanner?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.correctness import Correctness, zero_shot_correctness
from crossmod.evaluation.labelled import require_labels
from crossmod.evaluation.margins import Margins, label_margins, macro_auroc
from crossmod.evaluation.settings import SubgroupSettings
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell

ALL = "all of these"


def evaluate(context: EvaluationContext, settings: SubgroupSettings) -> list[Table]:
    """The `subgroups` evaluation, by every value of every attribute: mean AUROC of the labels of two classes together,
    and accuracy of each of the others.

    The values of one attribute are compared on the same labels of two classes: those with both in each of them.

    Raises:
        UserError: The corpus has no attribute, no label with prompts, or no value with enough subjects.
    """
    prepared = context.prepared
    attributes = prepared.corpus.attributes
    if not attributes:
        raise UserError(
            f"corpus {prepared.corpus.name} states nothing of its subjects or scanners, by which subgroups are formed; "
            "name columns for it where the data settings take some (data.attributes)."
        )
    labels = require_labels(prepared, prompts=True)
    two = {name: label for name, label in labels.items() if len(label.classes) == 2}
    more = {name: label for name, label in labels.items() if len(label.classes) > 2}
    title = f"subgroups, {settings.split} split of {prepared.corpus.name}"
    tables = [_two_classes(context, two, settings, title), _several_classes(context, more, settings, title)]
    found = [table for table in tables if table is not None]
    if not found:
        raise UserError(
            f"no subgroup of the {settings.split} split of {prepared.corpus.name} has {settings.least_subjects} "
            "subjects and labels with both classes; lower --least_subjects, or take another --split."
        )
    return found


def _two_classes(
    context: EvaluationContext, labels: Mapping[str, Label], settings: SubgroupSettings, title: str
) -> Table | None:
    """Mean AUROC; None where no value can be scored."""
    margins = {name: label_margins(context, settings.text, label, settings.split) for name, label in labels.items()}
    rows = [
        row
        for name, values in context.prepared.corpus.attributes.items()
        for row in (_rows(name, values, margins, settings) if margins else [])
    ]
    columns = [
        *_columns(),
        Column(key="labels", title="labels", decimals=0),
        Column(key="auroc", title="mean AUROC", decimals=3),
        Column(key="low", title="95 % from", decimals=3),
        Column(key="high", title="to", decimals=3),
    ]
    note = (
        "Values of one attribute are compared on the labels that have both classes in each of them; those of fewer "
        f"than {settings.least_subjects} subjects are left out. Intervals resample subjects."
    )
    return Table(columns=columns, rows=rows, title=title, note=note) if rows else None


def _several_classes(
    context: EvaluationContext, labels: Mapping[str, Label], settings: SubgroupSettings, title: str
) -> Table | None:
    """Accuracy of every label; None where no value can be scored."""
    rows: list[Row] = []
    for name, label in labels.items():
        found = zero_shot_correctness(context, settings.text, label, settings.split)
        for attribute, values in context.prepared.corpus.attributes.items():
            rows += _accuracies(name, attribute, values, found, settings)
    columns = [
        Column(key="label", title="label"),
        *_columns(),
        Column(key="accuracy", title="accuracy %", decimals=1),
        Column(key="low", title="95 % from", decimals=1),
        Column(key="high", title="to", decimals=1),
    ]
    note = f"Values of fewer than {settings.least_subjects} subjects are left out. Intervals resample subjects."
    return Table(columns=columns, rows=rows, title=title, note=note) if rows else None


def _columns() -> list[Column]:
    return [
        Column(key="attribute", title="attribute"),
        Column(key="value", title="value"),
        Column(key="subjects", title="subjects", decimals=0),
        Column(key="items", title="items", decimals=0),
    ]


def _accuracies(
    label: str,
    attribute: str,
    values: np.ndarray[tuple[int], np.dtype[np.str_]],
    found: Correctness,
    settings: SubgroupSettings,
) -> list[Row]:
    """One row a value with enough subjects, and one of all items whose value is known."""
    held = values[found.found.row.numpy()]
    shown = [
        value
        for value in sorted(set(held.tolist()) - {""})
        if len(torch.unique(found.found.subject[torch.from_numpy(held == value)])) >= settings.least_subjects
    ]
    groups = [(value, (value,)) for value in shown] + ([(ALL, tuple(shown))] if len(shown) > 1 else [])
    rows = []
    for value, wanted in groups:
        own = found.where(torch.from_numpy(np.isin(held, wanted)))
        cells: dict[str, Cell] = {
            "label": label,
            "attribute": attribute,
            "value": value,
            "subjects": len(torch.unique(own.found.subject)),
            "items": len(own.right),
            **own.accuracy(resamples=settings.resamples, seed=settings.seed),
        }
        rows.append(Row(cells=cells, role="reference" if value == ALL else "result"))
    return rows


def _rows(
    attribute: str,
    values: np.ndarray[tuple[int], np.dtype[np.str_]],
    margins: Mapping[str, Margins],
    settings: SubgroupSettings,
) -> list[Row]:
    """One row a value with enough subjects, and one of all items whose value is known."""
    parts: dict[str, dict[str, Margins]] = {}
    for value in sorted(set(values.tolist()) - {""}):
        own = {name: one.where(_among(one, values, value)) for name, one in margins.items()}
        if _subjects(own) >= settings.least_subjects:
            parts[value] = own
    shared = [name for name in margins if all(own[name].found.has_both for own in parts.values())]
    if not parts or not shared:
        return []
    known = {name: one.where(_among(one, values, *parts)) for name, one in margins.items()}
    found = []
    for value, own in {**parts, ALL: known}.items():
        scored = [own[name] for name in shared]
        macro = macro_auroc(scored, resamples=settings.resamples, seed=settings.seed)
        cells: dict[str, Cell] = {
            "attribute": attribute,
            "value": value,
            "subjects": _subjects(own),
            "items": len(torch.unique(torch.cat([one.found.item for one in own.values()]))),
            "labels": len(shared),
            **macro.cells(),
        }
        found.append(Row(cells=cells, role="reference" if value == ALL else "result"))
    return found


def _among(one: Margins, values: np.ndarray[tuple[int], np.dtype[np.str_]], *wanted: str) -> Bool[Tensor, "items"]:
    return torch.from_numpy(np.isin(values[one.found.row.numpy()], wanted))


def _subjects(own: Mapping[str, Margins]) -> int:
    return len(torch.unique(torch.cat([one.found.subject for one in own.values()])))
