"""The `findings` evaluation: which findings a report states, by the model and by tf-idf with logistic regression."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.training.forwards import BatchForwards
from crossmod_medical.findings.evidence import evidence_logits
from crossmod_medical.findings.linear_baseline import linear_baseline, macro_auroc
from crossmod_medical.findings.settings import FindingsSettings
from crossmod_medical.findings.tower import FindingInputs, FindingTower
from crossmod_metrics import bootstrap_statistic, logistic_probe
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell

BASELINE = "tf-idf + logistic regression"


def evaluate(context: EvaluationContext, settings: FindingsSettings) -> list[Table]:
    """AUROC of every finding and their mean, with intervals that resample reports.

    Raises:
        UserError: The model's towers are not of reports and findings, or a split is empty.
    """
    names = _names(context, settings)
    parts = {split: _rows(context, settings, split) for split in ("train", "validation", settings.split)}
    truth = {split: _truth(context, settings, rows) for split, rows in parts.items()}
    texts = {split: _texts(context, settings, rows) for split, rows in parts.items()}
    vectors, item = context.features(settings.report), context.prepared.item[settings.report]
    features = {split: vectors.of(item[rows]) for split, rows in parts.items()}
    probe = logistic_probe(features["train"], truth["train"], features["validation"], truth["validation"])
    baseline = linear_baseline(
        texts["train"],
        truth["train"],
        texts["validation"],
        truth["validation"],
        texts[settings.split],
        word_orders=settings.word_orders,
        costs=settings.costs,
    )
    scores = {
        "model": _evidence(context, settings, parts[settings.split]),
        "probe": probe.logits(features[settings.split]),
        "baseline": baseline.scores,
    }
    stated = truth[settings.split]
    rows = [_finding(name, place, scores, stated) for place, name in enumerate(names)]
    rows += _means(scores, stated, settings)
    note = (
        f"{len(parts['train'])} training reports for all, {len(stated)} scored, {len(parts['validation'])} to choose "
        f"on: {BASELINE} its cost ({baseline.cost:g}, over {baseline.features} n-grams), the probe of frozen report "
        "vectors its penalty. Intervals resample reports."
    )
    columns = [
        Column(key="finding", title="finding"),
        Column(key="positive", title="positive", decimals=0),
        Column(key="model", title="model", decimals=3),
        Column(key="probe", title="linear probe", decimals=3),
        Column(key="baseline", title=BASELINE, decimals=3),
        Column(key="gain", title="model minus it", decimals=3),
    ]
    title = f"findings (AUROC), {settings.split} split of {context.prepared.corpus.name}"
    return [Table(columns=columns, rows=rows, title=title, note=note)]


def _names(context: EvaluationContext, settings: FindingsSettings) -> tuple[str, ...]:
    _, tower = (context.model.tower(modality) for modality in (settings.report, settings.finding))
    if not isinstance(tower, FindingTower):
        raise UserError(f"{settings.finding!r} is no tower of findings but {type(tower).__name__}; train FindingTable.")
    return tower.processor.names


def _rows(context: EvaluationContext, settings: FindingsSettings, split: str) -> Int64[Tensor, "reports"]:
    prepared = context.prepared
    rows = prepared.rows(split, settings.report, settings.finding)
    if not len(rows):
        raise UserError(f"the {split} split of {prepared.corpus.name} has no report with findings.")
    return rows


def _truth(context: EvaluationContext, settings: FindingsSettings, rows: Tensor) -> Float[Tensor, "reports findings"]:
    inputs = context.prepared.inputs[settings.finding]
    assert isinstance(inputs, FindingInputs)
    held: Bool[Tensor, "reports findings"] = inputs.present[context.prepared.item[settings.finding][rows]]
    return held.double()


def _texts(context: EvaluationContext, settings: FindingsSettings, rows: Tensor) -> list[str]:
    items = context.prepared.corpus.columns[settings.report].items
    return [items[place] for place in context.prepared.item[settings.report][rows].tolist()]


@torch.no_grad()
def _evidence(
    context: EvaluationContext, settings: FindingsSettings, rows: Tensor
) -> Float[Tensor, "reports findings"]:
    found = []
    for chosen in torch.split(rows, 64):
        forwards = BatchForwards(context.model, context.prepared.batch(chosen))
        features = forwards.features(settings.report)
        found.append(evidence_logits(forwards, settings.report, settings.finding, features))
    return torch.cat(found)


def _finding(name: str, place: int, scores: dict[str, Tensor], truth: Tensor) -> Row:
    cells: dict[str, Cell] = {"finding": name, "positive": int(truth[:, place].sum())}
    column = slice(place, place + 1)
    own = {key: macro_auroc(score[:, column], truth[:, column]) for key, score in scores.items()}
    if own["model"] == own["model"]:
        cells |= {**own, "gain": own["model"] - own["baseline"]}
    return Row(cells=cells)


def _means(scores: dict[str, Tensor], truth: Tensor, settings: FindingsSettings) -> list[Row]:
    """The mean over findings, and the ends of its interval."""

    def macro(key: str, drawn: Tensor) -> float:
        if key == "gain":
            return macro("model", drawn) - macro("baseline", drawn)
        return macro_auroc(scores[key][drawn], truth[drawn])

    intervals = {
        key: bootstrap_statistic(partial(macro, key), len(truth), seed=settings.seed, resamples=settings.resamples)
        for key in (*scores, "gain")
    }
    mean: dict[str, Cell] = {"finding": "mean"}
    low: dict[str, Cell] = {"finding": "  95 % from"}
    high: dict[str, Cell] = {"finding": "  to"}
    for key, interval in intervals.items():
        mean[key], low[key], high[key] = interval.estimate, interval.low, interval.high
    return [Row(cells=mean), Row(cells=low, role="reference"), Row(cells=high, role="reference")]
