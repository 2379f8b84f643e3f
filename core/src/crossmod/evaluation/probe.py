"""Linear probe and k-NN on frozen features, beside the same towers untrained."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import Labelled, labelled_items, require_labels
from crossmod.evaluation.settings import ProbeSettings
from crossmod_metrics import (
    knn_classify,
    knn_regress,
    logistic_probe,
    ridge_probe,
    rmse,
    roc_auc,
    top_k_accuracy,
)
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell


@dataclass(frozen=True)
class ProbeScore:
    """Scores of one label on the test split: AUROC, accuracy (%) or RMSE, by `metric`; higher is better but RMSE."""

    metric: str
    linear: float
    neighbours: float


def evaluate(context: EvaluationContext, settings: ProbeSettings) -> list[Table]:
    """The `probe` evaluation: fit on train, choose the penalty on validation, score on test."""
    prepared = context.prepared
    models = {"trained": context}
    if settings.untrained:
        models["untrained"] = context.untrained(settings.seed)
    rows = []
    for name, label in require_labels(prepared, prompts=False).items():
        parts = [labelled_items(prepared, label, split) for split in ("train", "validation", "test")]
        cells: dict[str, Cell] = {"label": name, "items": len(parts[2].item)}
        if all(part.has_both for part in parts):
            for kind, each in models.items():
                score = probe_label(each, label, parts, settings.neighbours)
                cells["metric"] = score.metric
                cells[f"{kind} linear"], cells[f"{kind} k-NN"] = score.linear, score.neighbours
        rows.append(Row(cells=cells))
    columns = [
        Column(key="label", title="label"),
        Column(key="metric", title="metric"),
        Column(key="items", title="test items", decimals=0),
        *[Column(key=f"{kind} {probe}", title=f"{kind} {probe}") for kind in models for probe in ("linear", "k-NN")],
    ]
    note = "Fitted on train, penalty chosen on validation, scored on test. A dash: a split lacks a class."
    return [Table(columns=columns, rows=rows, title=f"probes on {prepared.corpus.name}", note=note)]


def probe_label(context: EvaluationContext, label: Label, parts: list[Labelled], neighbours: int) -> ProbeScore:
    """Probe one label.

    Args:
        context: Whose frozen features.
        label: What is predicted.
        parts: Its train, validation and test items.
        neighbours: k of the k-NN.
    """
    train, validation, test = (context.features(label.modality).of(part.item) for part in parts)
    known = [part.values for part in parts]
    k = min(neighbours, len(train))
    if not label.classes:
        ridge = ridge_probe(train, known[0][:, None], validation, known[1][:, None])
        near = knn_regress(train, known[0][:, None], test, k=k)
        return ProbeScore("RMSE", rmse(ridge.predict(test)[:, 0], known[2]), rmse(near[:, 0], known[2]))
    classes = len(label.classes)
    votes = knn_classify(train, known[0].long(), test, classes, k=k)
    if classes == 2:
        fitted = logistic_probe(train, known[0][:, None], validation, known[1][:, None])
        linear = roc_auc(fitted.logits(test)[:, 0], known[2].long())
        return ProbeScore("AUROC", linear, roc_auc(votes[:, 1], known[2].long()))
    logits = logistic_probe(train, known[0].long(), validation, known[1].long()).logits(test)
    return ProbeScore("accuracy %", _accuracy(logits, known[2]), _accuracy(votes, known[2]))


def _accuracy(scores: Float[Tensor, "items classes"], truth: Float[Tensor, "items"]) -> float:
    return 100 * top_k_accuracy(torch.nan_to_num(scores), truth.long())
