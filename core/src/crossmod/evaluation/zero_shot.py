"""Zero-shot classification: an item belongs to the class whose prompts lie nearest (CLIP, arXiv:2103.00020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import torch

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.decisions import calibration_error, f1_at_chosen_cut
from crossmod.evaluation.labelled import labelled_items, require_labels
from crossmod.evaluation.margins import Margins, label_margins, macro_auroc, prompt_classes
from crossmod.evaluation.settings import ZeroShotSettings
from crossmod_metrics import average_precision, zero_shot_metrics, zero_shot_scores
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell


def evaluate(context: EvaluationContext, settings: ZeroShotSettings) -> list[Table]:
    """The `zero-shot` evaluation: AUROC and what goes with it of labels with two classes, accuracy of the others."""
    labels = require_labels(context.prepared, prompts=True)
    two = {name: label for name, label in labels.items() if len(label.classes) == 2}
    more = {name: label for name, label in labels.items() if len(label.classes) != 2}
    title = f"zero-shot, {settings.split} split of {context.prepared.corpus.name}"
    tables = [_two_classes(context, two, settings, title)] if two else []
    return tables + ([_several_classes(context, more, settings, title)] if more else [])


def validation_score(context: EvaluationContext) -> float:
    """Mean AUROC on the validation split over the labels that have both their two classes in it.

    Raises:
        UserError: There is no such label.
    """
    labels = require_labels(context.prepared, prompts=True, classes=2)
    several = [label_margins(context, ZeroShotSettings().text, label, "validation") for label in labels.values()]
    both = [scored for scored in several if scored.found.has_both]
    if not both:
        raise UserError("no label has both classes in the validation split, so zero-shot cannot select weights by it.")
    return macro_auroc(both, resamples=0, seed=0).mean


def _two_classes(
    context: EvaluationContext, labels: Mapping[str, Label], settings: ZeroShotSettings, title: str
) -> Table:
    rows: list[Row] = []
    several: list[Margins] = []
    scores: list[dict[str, float]] = []
    for name, label in labels.items():
        scored = label_margins(context, settings.text, label, settings.split)
        cells: dict[str, Cell] = {"label": name, "items": len(scored.found.item)}
        if scored.found.has_both:
            several.append(scored)
            scores.append(_scores(scored, _validation(context, label, settings), settings))
            cells |= scores[-1]
        rows.append(Row(cells=cells))
    if several:
        mean: dict[str, Cell] = {"label": f"mean of {len(several)}"}
        rows.append(Row(cells=mean | _means(scores, several, settings)))
        rows.append(Row(cells={"label": "  chance", "auroc": 0.5}, role="reference"))
    return _table_of_two(rows, settings, title)


def _validation(context: EvaluationContext, label: Label, settings: ZeroShotSettings) -> Margins | None:
    """What cuts and scales are settled on; None where that is what is scored, or holds one class alone."""
    if settings.split == "validation":
        return None
    found = label_margins(context, settings.text, label, "validation")
    return found if found.found.has_both else None


def _scores(scored: Margins, validation: Margins | None, settings: ZeroShotSettings) -> dict[str, float]:
    own = macro_auroc([scored], resamples=settings.resamples, seed=settings.seed)
    found = {
        "positive": float(scored.truth.double().mean()),
        "auprc": average_precision(scored.margin, scored.truth),
        **own.cells(),
    }
    if validation is not None:
        found["f1"] = f1_at_chosen_cut(scored, validation)
    if validation is not None or settings.scale:
        found["ece"] = calibration_error(scored, validation, settings.scale)
    return found


def _means(
    scores: Sequence[Mapping[str, float]], several: Sequence[Margins], settings: ZeroShotSettings
) -> dict[str, float]:
    found = macro_auroc(several, resamples=settings.resamples, seed=settings.seed).cells()
    # A mean stands for all labels or for none.
    shared = {"auprc", "f1", "ece"}.intersection(*scores)
    return found | {key: fmean(each[key] for each in scores) for key in shared}


def _table_of_two(rows: Sequence[Row], settings: ZeroShotSettings, title: str) -> Table:
    held = {key for row in rows for key in row.cells}
    columns = [
        Column(key="label", title="label"),
        Column(key="items", title="items", decimals=0),
        Column(key="positive", title="share positive", decimals=3),
        Column(key="auroc", title="AUROC", decimals=3),
        Column(key="low", title="95 % from", decimals=3),
        Column(key="high", title="to", decimals=3),
        Column(key="auprc", title="AUPRC", decimals=3),
        Column(key="f1", title="F1", decimals=3),
        Column(key="ece", title="ECE", decimals=3),
    ]
    note = "A dash: one class only in this split"
    note += " or in validation." if "f1" in held else "."
    if "low" in held:
        note += " Intervals resample subjects, not items."
    if "f1" in held:
        note += " F1 at the cut that is best on validation."
    if "ece" in held:
        how = f"at scale {settings.scale:g}" if settings.scale else "after scale and offset were fitted on validation"
        note += f" ECE {how}."
    always = {"label", "items", "positive", "auroc"}
    shown = [column for column in columns if column.key in held | always]
    return Table(columns=shown, rows=rows, title=title, note=note)


def _several_classes(
    context: EvaluationContext, labels: Mapping[str, Label], settings: ZeroShotSettings, title: str
) -> Table:
    rows: list[Row] = []
    for name, label in labels.items():
        found = labelled_items(context.prepared, label, settings.split)
        cells: dict[str, Cell] = {"label": name, "items": len(found.item)}
        if found.has_both:
            vectors = context.embedded(label.modality).of(found.item)
            scores = zero_shot_scores(vectors, prompt_classes(context.model, settings.text, label))
            score = zero_shot_metrics(scores, found.values.to(torch.int64))
            cells |= {
                "classes": len(label.classes),
                "accuracy": 100 * score.accuracy,
                "balanced": 100 * score.balanced_accuracy,
                "chance": 100 / len(label.classes),
            }
        rows.append(Row(cells=cells))
    columns = [
        Column(key="label", title="label"),
        Column(key="items", title="items", decimals=0),
        Column(key="classes", title="classes", decimals=0),
        Column(key="accuracy", title="accuracy %", decimals=1),
        Column(key="balanced", title="balanced %", decimals=1),
        Column(key="chance", title="chance %", decimals=1),
    ]
    return Table(columns=columns, rows=rows, title=title)
