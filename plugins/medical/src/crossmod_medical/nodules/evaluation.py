"""The `supervised` evaluation: what prompts and probes know of a label, beside a network that was taught it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import Labelled, labelled_items, require_labels
from crossmod.evaluation.margins import label_margins
from crossmod_medical.nodules.network import Examples, predict, train_network
from crossmod_medical.nodules.settings import SupervisedSettings
from crossmod_medical.processors import VolumeProcessor
from crossmod_metrics import bootstrap_statistic, logistic_probe, roc_auc
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell

NETWORK = "supervised 3-D network from scratch"


def evaluate(context: EvaluationContext, settings: SupervisedSettings) -> list[Table]:
    """AUROC of every way to tell the label, with intervals by subject, and its difference to the network's.

    Raises:
        UserError: The corpus has no such label of two classes, a split lacks one, or the model reads no volumes.
    """
    prepared = context.prepared
    label = _label(require_labels(prepared, prompts=False, classes=2), settings.label)
    processor = context.model.processors[label.modality]
    if not isinstance(processor, VolumeProcessor):
        raise UserError(f"the network beside reads volumes, and the model's {label.modality} tower does not.")
    parts = {split: labelled_items(prepared, label, split) for split in ("train", "validation", settings.split)}
    for split, part in parts.items():
        if not part.has_both:
            raise UserError(f"the {split} split of {prepared.corpus.name} does not hold both classes of the label.")
    scored = parts[settings.split]
    truth = scored.values.long()
    scores = _model_scores(context, label, parts, settings)
    inputs = prepared.inputs[label.modality]
    train, validation = (
        Examples(inputs.take(parts[name].item), parts[name].values.long()) for name in ("train", "validation")
    )
    trained = train_network(train, validation, processor, settings)
    scores[NETWORK] = predict(trained.network, inputs.take(scored.item))
    if settings.beside in prepared.corpus.labels:
        measured = labelled_items(prepared, prepared.corpus.labels[settings.beside], settings.split)
        known = dict(zip(measured.item.tolist(), measured.values.tolist(), strict=True))
        scores[f"{settings.beside} alone"] = torch.tensor([known[item] for item in scored.item.tolist()])
    rows = [_row(name, value, scores[NETWORK], truth, scored.subject, settings) for name, value in scores.items()]
    note = (
        f"{len(truth)} items of {len(torch.unique(scored.subject))} subjects, which intervals resample; the network "
        f"was trained on {len(train.truth)} labelled items, its step {trained.step} of {settings.steps} chosen on "
        f"{len(validation.truth)} validation items (AUROC {trained.validation_auroc:.3f} there)."
    )
    title = f"{settings.label}, {settings.split} split of {prepared.corpus.name}"
    return [Table(columns=_columns(), rows=rows, title=title, note=note)]


def _label(labels: Mapping[str, Label], name: str) -> Label:
    if name not in labels:
        raise UserError(f"there is no label {name!r} of two classes; there are {', '.join(labels)}.")
    return labels[name]


def _model_scores(
    context: EvaluationContext, label: Label, parts: Mapping[str, Labelled], settings: SupervisedSettings
) -> dict[str, Float[Tensor, "items"]]:
    """Scores of the scored items by prompts, where the label has some, and by a probe of the frozen tower."""
    found: dict[str, Tensor] = {}
    if label.prompts:
        found["prompts (zero-shot)"] = label_margins(context, settings.text, label, settings.split).margin
    features = {split: context.features(label.modality).of(part.item) for split, part in parts.items()}
    probe = logistic_probe(
        features["train"],
        parts["train"].values[:, None],
        features["validation"],
        parts["validation"].values[:, None],
    )
    found["linear probe"] = probe.logits(features[settings.split])[:, 0]
    return found


def _row(
    name: str,
    score: Float[Tensor, "items"],
    network: Float[Tensor, "items"],
    truth: Int64[Tensor, "items"],
    subject: Int64[Tensor, "items"],
    settings: SupervisedSettings,
) -> Row:
    def auroc(drawn: Tensor, values: Tensor) -> float:
        chosen = truth[drawn]
        return roc_auc(values[drawn], chosen) if 0 < int(chosen.sum()) < len(chosen) else float("nan")

    options = {"seed": settings.seed, "resamples": settings.resamples}
    own = bootstrap_statistic(lambda drawn: auroc(drawn, score), len(truth), subject, **options)
    cells: dict[str, Cell] = {"by": name, "auroc": own.estimate, "interval": f"{own.low:.3f} to {own.high:.3f}"}
    if name != NETWORK:
        gain = bootstrap_statistic(
            lambda drawn: auroc(drawn, score) - auroc(drawn, network), len(truth), subject, **options
        )
        cells |= {"gain": gain.estimate, "gain interval": f"{gain.low:+.3f} to {gain.high:+.3f}"}
    return Row(cells=cells, role="reference" if name == NETWORK or name.endswith("alone") else "result")


def _columns() -> list[Column]:
    return [
        Column(key="by", title="told by"),
        Column(key="auroc", title="AUROC", decimals=3),
        Column(key="interval", title="95 %"),
        Column(key="gain", title="minus the network", decimals=3),
        Column(key="gain interval", title="95 %"),
    ]
