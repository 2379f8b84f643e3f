"""Zero-shot and probes on a label that the points' coordinates decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation import probe, zero_shot
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import labelled_items
from crossmod.evaluation.settings import ProbeSettings, ZeroShotSettings


def _with(context: EvaluationContext, **labels: Label) -> EvaluationContext:
    corpus = replace(context.prepared.corpus, labels=labels)
    return EvaluationContext(context.model, context.recipe, ready=replace(context.prepared, corpus=corpus))


def test_an_item_counts_once_and_unknown_values_not_at_all(context: EvaluationContext) -> None:
    label = context.prepared.corpus.labels["upper"]
    found = labelled_items(context.prepared, label, "test")
    assert len(found.item) == 24
    values = label.values.copy()
    values[context.prepared.corpus.rows("test")[:2]] = np.nan
    assert len(labelled_items(context.prepared, replace(label, values=values), "test").item) == 23


def test_prompts_tell_above_from_below(context: EvaluationContext) -> None:
    (table,) = zero_shot.evaluate(context, ZeroShotSettings())
    assert table.rows[0].cells["label"] == "upper"
    assert float(table.rows[0].cells["auroc"]) > 0.8
    assert table.rows[-1].cells["auroc"] == 0.5


def test_prompts_exchanged_turn_the_score_round(context: EvaluationContext) -> None:
    label = context.prepared.corpus.labels["upper"]
    exchanged = {"below": label.prompts["above"], "above": label.prompts["below"]}
    honest = zero_shot.evaluate(context, ZeroShotSettings())[0].rows[0].cells["auroc"]
    turned = zero_shot.evaluate(_with(context, upper=replace(label, prompts=exchanged)), ZeroShotSettings())
    assert float(turned[0].rows[0].cells["auroc"]) == pytest.approx(1 - float(honest), abs=1e-6)


def test_intervals_resample_subjects(context: EvaluationContext) -> None:
    label = context.prepared.corpus.labels["upper"]
    # Some values turned round, since resampling a perfect order leaves it perfect.
    values = label.values.copy()
    values[context.prepared.corpus.rows("test")[::7]] = 0
    label = replace(label, values=values)
    context = _with(context, upper=label)
    (by_point,) = zero_shot.evaluate(context, ZeroShotSettings())
    cells = by_point.rows[0].cells
    assert float(cells["low"]) < float(cells["auroc"]) <= float(cells["high"])
    # Few subjects of many points each say less than as many subjects as points.
    subject = np.arange(len(label.values)) // 120
    corpus = replace(context.prepared.corpus, subject=subject)
    few = EvaluationContext(context.model, context.recipe, ready=replace(context.prepared, corpus=corpus))
    assert set(labelled_items(few.prepared, label, "test").subject.tolist()) == set(subject.tolist())
    (by_subject,) = zero_shot.evaluate(few, ZeroShotSettings())
    assert by_subject.rows[0].cells["auroc"] == cells["auroc"]
    assert (by_subject.rows[0].cells["low"], by_subject.rows[0].cells["high"]) != (cells["low"], cells["high"])
    (without,) = zero_shot.evaluate(context, ZeroShotSettings(resamples=0))
    assert "low" not in without.rows[0].cells


def test_four_classes_are_scored_by_accuracy_beside_chance(context: EvaluationContext) -> None:
    corpus = context.prepared.corpus
    points = corpus.columns["point"]
    across = ("far left", "left", "right", "far right")
    values = np.array([float(int(4 * points.items[i][0])) for i in points.item])
    label = Label(values, "point", across, {name: [f"a point at the {name}"] for name in across})
    (table,) = zero_shot.evaluate(_with(context, across=label), ZeroShotSettings())
    assert float(table.rows[0].cells["accuracy"]) > float(table.rows[0].cells["chance"]) == 25


def test_probes_read_the_label_off_the_features(context: EvaluationContext) -> None:
    (table,) = probe.evaluate(context, ProbeSettings(neighbours=5))
    cells = table.rows[0].cells
    assert cells["metric"] == "AUROC" and cells["items"] == 24
    assert float(cells["trained linear"]) > 0.9 and float(cells["trained k-NN"]) > 0.9
    assert "untrained linear" in cells


def test_measured_values_are_scored_by_their_error(context: EvaluationContext) -> None:
    points = context.prepared.corpus.columns["point"]
    height = Label(np.array([points.items[i][1] for i in points.item]), "point")
    cells = probe.evaluate(_with(context, height=height), ProbeSettings(untrained=False))[0].rows[0].cells
    assert cells["metric"] == "RMSE" and float(cells["trained linear"]) < 0.2


def test_a_corpus_without_labels_says_what_to_do(context: EvaluationContext) -> None:
    with pytest.raises(UserError, match="no labels with prompts.*--on retrieval"):
        zero_shot.evaluate(_with(context), ZeroShotSettings())
    with pytest.raises(UserError, match="no labels, which"):
        probe.evaluate(_with(context), ProbeSettings())


def test_a_class_without_a_prompt_is_named(context: EvaluationContext) -> None:
    label = replace(context.prepared.corpus.labels["upper"], prompts={"below": ["at the bottom"]})
    with pytest.raises(UserError, match="class 'above' has no prompt"):
        zero_shot.evaluate(_with(context, upper=label), ZeroShotSettings())
