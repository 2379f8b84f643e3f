"""How few labels a frozen tower needs: one probe of all labels, trained on shares of the labelled subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import Tasks, by_modality, labelled_tasks, require_labels
from crossmod.evaluation.settings import FewLabelsSettings
from crossmod_metrics import average_precision, logistic_probe, multi_task, roc_auc
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell


def share_of_subjects(subject: Int64[Tensor, "items"], share: float, seed: int) -> Bool[Tensor, "items"]:
    """The items of so many subjects, at least one, drawn from a seed; a larger share of one seed holds the smaller."""
    subjects = torch.unique(subject)
    order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(seed))
    return torch.isin(subject, subjects[order[: max(1, math.ceil(share * len(subjects)))]])


def evaluate(context: EvaluationContext, settings: FewLabelsSettings) -> list[Table]:
    """The `few-labels` evaluation: mean AUROC and AUPRC of all labels of two classes, by share of subjects.

    The penalty is chosen on the whole validation split at every share; a label that a draw holds one class of scores
    0.5. No positive is weighed up, which the ranking measures given here do not ask for.

    Raises:
        UserError: There is no label of two classes, or a split has none.
    """
    prepared = context.prepared
    labels = require_labels(prepared, prompts=False, classes=2)
    models = {"trained": context}
    if settings.untrained:
        models["untrained"] = context.untrained(settings.seed)
    rows: list[Row] = []
    for modality, own in by_modality(labels).items():
        parts = {split: labelled_tasks(prepared, own, split) for split in ("train", "validation", "test")}
        if any(not len(part.item) for part in parts.values()):
            continue
        for name, each in models.items():
            rows += _rows(each, modality, name, parts, settings)
    if not rows:
        raise UserError(
            f"corpus {prepared.corpus.name} has no label of two classes in train, validation and test, on which "
            "probes are fitted, chosen and scored."
        )
    columns = [
        Column(key="features", title="features"),
        Column(key="share", title="labels %", decimals=0),
        Column(key="subjects", title="subjects", decimals=0),
        Column(key="items", title="items", decimals=0),
        Column(key="auroc", title="mean AUROC", decimals=3),
        Column(key="range", title="over draws"),
        Column(key="auprc", title="mean AUPRC", decimals=3),
    ]
    note = (
        f"{len(labels)} labels; the test split. Shares are of training subjects, {settings.draws} draws each below "
        "100 %; the penalty is chosen on all of validation."
    )
    return [Table(columns=columns, rows=rows, title=f"few labels, {prepared.corpus.name}", note=note)]


def _rows(
    context: EvaluationContext, modality: str, name: str, parts: Mapping[str, Tasks], settings: FewLabelsSettings
) -> list[Row]:
    features = {split: context.features(modality).of(one.item) for split, one in parts.items()}
    rows = []
    for share in sorted(settings.shares):
        found, chosen = [], torch.empty(0, dtype=torch.bool)
        for draw in range(settings.draws if share < 1 else 1):
            chosen = share_of_subjects(parts["train"].subject, share, settings.seed + draw)
            score = _score(features, parts, chosen)
            found += [score] if score is not None else []
        cells: dict[str, Cell] = {
            "features": f"{name} {modality}",
            "share": 100 * share,
            "subjects": len(torch.unique(parts["train"].subject[chosen])),
            "items": int(chosen.sum()),
        }
        if found:
            auroc = [score[0] for score in found]
            cells |= {"auroc": sum(auroc) / len(auroc), "auprc": sum(score[1] for score in found) / len(found)}
            cells |= {"range": f"{min(auroc):.3f} to {max(auroc):.3f}"} if len(auroc) > 1 else {}
        rows.append(Row(cells=cells, role="result" if name == "trained" else "reference"))
    return rows


def _score(
    features: Mapping[str, Tensor], parts: Mapping[str, Tasks], chosen: Bool[Tensor, "items"]
) -> tuple[float, float] | None:
    """Mean AUROC and AUPRC on test of a probe of the chosen items; None where they hold one class of every label."""
    values = parts["train"].values[chosen]
    if not bool((((values == 0).any(0)) & ((values == 1).any(0))).any()):
        return None
    probe = logistic_probe(
        features["train"][chosen], values, features["validation"], parts["validation"].values, per_task=True
    )
    logits, truth = probe.logits(features["test"]), parts["test"].values
    return multi_task(roc_auc, logits, truth).mean, multi_task(average_precision, logits, truth).mean
