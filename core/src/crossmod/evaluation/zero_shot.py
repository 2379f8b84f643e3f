"""Zero-shot classification: an item belongs to the class whose prompts lie nearest (CLIP, arXiv:2103.00020)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import labelled_items, require_labels
from crossmod.evaluation.settings import ZeroShotSettings
from crossmod.model import CrossModal
from crossmod_metrics import bootstrap_statistic, class_embeddings, roc_auc, zero_shot_metrics, zero_shot_scores
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell


def prompt_classes(model: CrossModal, text: str, label: Label) -> Float[Tensor, "classes dim"]:
    """One unit vector a class: the mean of its prompts' embeddings.

    Raises:
        UserError: A class has no prompt.
    """
    sentences: list[str] = []
    owner: list[int] = []
    for number, name in enumerate(label.classes):
        prompts = label.prompts.get(name, ())
        if not prompts:
            raise UserError(f"class {name!r} has no prompt; write at least one sentence for it.")
        sentences += prompts
        owner += [number] * len(prompts)
    return class_embeddings(model.embed(text, sentences), torch.tensor(owner), len(label.classes))


def evaluate(context: EvaluationContext, settings: ZeroShotSettings) -> list[Table]:
    """The `zero-shot` evaluation: AUROC of labels with two classes, accuracy of labels with more."""
    model, prepared = context.model, context.prepared
    labels = require_labels(prepared, prompts=True)
    binary: list[Row] = []
    several: list[Row] = []
    for name, label in labels.items():
        found = labelled_items(prepared, label, settings.split)
        truth = found.values.long()
        cells: dict[str, Cell]
        if len(found.item) == 0 or len(torch.unique(truth)) < 2:
            cells = {"label": name, "items": len(found.item)}
            (binary if len(label.classes) == 2 else several).append(Row(cells=cells))
            continue
        vectors = model.embed(label.modality, prepared.inputs[label.modality].take(found.item))
        scores = zero_shot_scores(vectors, prompt_classes(model, settings.text, label))
        if len(label.classes) == 2:
            margin = scores[:, 1] - scores[:, 0]
            cells = {"label": name, "items": len(truth), "positive": float(truth.double().mean())}
            cells |= {"auroc": roc_auc(margin, truth)} | auroc_interval(margin, truth, found.subject, settings)
            binary.append(Row(cells=cells))
        else:
            score = zero_shot_metrics(scores, truth)
            cells = {
                "label": name,
                "items": len(truth),
                "classes": len(label.classes),
                "accuracy": 100 * score.accuracy,
                "balanced": 100 * score.balanced_accuracy,
                "chance": 100 / len(label.classes),
            }
            several.append(Row(cells=cells))
    return _tables(binary, several, f"zero-shot, {settings.split} split of {prepared.corpus.name}")


def auroc_interval(
    scores: Float[Tensor, "items"],
    truth: Int64[Tensor, "items"],
    subject: Int64[Tensor, "items"],
    settings: ZeroShotSettings,
) -> dict[str, Cell]:
    """Lower and upper end of the 95 % interval of an AUROC, subjects drawn with replacement.

    Draws of one class alone have no AUROC and do not count; without two subjects there is no interval.
    """
    if not settings.resamples or len(torch.unique(subject)) < 2:
        return {}

    def auroc(drawn: Int64[Tensor, "drawn"]) -> float:
        chosen = truth[drawn]
        return roc_auc(scores[drawn], chosen) if 0 < int(chosen.sum()) < len(chosen) else float("nan")

    found = bootstrap_statistic(auroc, len(truth), subject, seed=settings.seed, resamples=settings.resamples)
    return {"low": found.low, "high": found.high}


def _tables(binary: list[Row], several: list[Row], title: str) -> list[Table]:
    tables = []
    if binary:
        scored = [float(row.cells["auroc"]) for row in binary if "auroc" in row.cells]  # type: ignore[arg-type]
        if scored:
            mean: dict[str, Cell] = {"label": f"mean of {len(scored)}", "auroc": sum(scored) / len(scored)}
            binary = [*binary, Row(cells=mean), Row(cells={"label": "  chance", "auroc": 0.5}, role="reference")]
        columns = [
            Column(key="label", title="label"),
            Column(key="items", title="items", decimals=0),
            Column(key="positive", title="share positive", decimals=3),
            Column(key="auroc", title="AUROC", decimals=3),
        ]
        note = "A dash: one class only in this split."
        if any("low" in row.cells for row in binary):
            columns += [Column(key="low", title="95 % from", decimals=3), Column(key="high", title="to", decimals=3)]
            note += " Intervals resample subjects, not items."
        tables.append(Table(columns=columns, rows=binary, title=title, note=note))
    if several:
        columns = [
            Column(key="label", title="label"),
            Column(key="items", title="items", decimals=0),
            Column(key="classes", title="classes", decimals=0),
            Column(key="accuracy", title="accuracy %", decimals=1),
            Column(key="balanced", title="balanced %", decimals=1),
            Column(key="chance", title="chance %", decimals=1),
        ]
        tables.append(Table(columns=columns, rows=several, title=title))
    return tables
