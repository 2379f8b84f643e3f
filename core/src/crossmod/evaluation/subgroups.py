"""Zero-shot scores of every subgroup apart: does a model tell the same of the old, of women, of another scanner?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import require_labels
from crossmod.evaluation.margins import Margins, label_margins, macro_auroc
from crossmod.evaluation.settings import SubgroupSettings
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell


def evaluate(context: EvaluationContext, settings: SubgroupSettings) -> list[Table]:
    """The `subgroups` evaluation: mean AUROC of all labels of two classes, by every value of every attribute.

    The values of one attribute are compared on the same labels: those that have both classes in each of them.

    Raises:
        UserError: The corpus has no attribute, no label of two classes with prompts, or no value with enough subjects.
    """
    prepared = context.prepared
    attributes = prepared.corpus.attributes
    if not attributes:
        raise UserError(
            f"corpus {prepared.corpus.name} states nothing of its subjects or scanners, by which subgroups are formed; "
            "name columns for it where the data settings take some (data.attributes)."
        )
    labels = require_labels(prepared, prompts=True, classes=2)
    margins = {name: label_margins(context, settings.text, label, settings.split) for name, label in labels.items()}
    rows: list[Row] = []
    for name, values in attributes.items():
        rows += _rows(name, values, margins, settings)
    if not rows:
        raise UserError(
            f"no subgroup of the {settings.split} split of {prepared.corpus.name} has {settings.least_subjects} "
            "subjects and labels with both classes; lower --least_subjects, or take another --split."
        )
    columns = [
        Column(key="attribute", title="attribute"),
        Column(key="value", title="value"),
        Column(key="subjects", title="subjects", decimals=0),
        Column(key="items", title="items", decimals=0),
        Column(key="labels", title="labels", decimals=0),
        Column(key="auroc", title="mean AUROC", decimals=3),
        Column(key="low", title="95 % from", decimals=3),
        Column(key="high", title="to", decimals=3),
    ]
    note = (
        "Values of one attribute are compared on the labels that have both classes in each of them; those of fewer "
        f"than {settings.least_subjects} subjects are left out. Intervals resample subjects."
    )
    title = f"subgroups, {settings.split} split of {prepared.corpus.name}"
    return [Table(columns=columns, rows=rows, title=title, note=note)]


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
    for value, own in {**parts, "all of these": known}.items():
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
        found.append(Row(cells=cells, role="reference" if value == "all of these" else "result"))
    return found


def _among(one: Margins, values: np.ndarray[tuple[int], np.dtype[np.str_]], *wanted: str) -> Bool[Tensor, "items"]:
    return torch.from_numpy(np.isin(values[one.found.row.numpy()], wanted))


def _subjects(own: Mapping[str, Margins]) -> int:
    return len(torch.unique(torch.cat([one.found.subject for one in own.values()])))
