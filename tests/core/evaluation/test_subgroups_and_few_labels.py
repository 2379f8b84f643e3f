"""Scores of every subgroup on the same labels, and probes on shares of the labelled subjects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crossmod.contracts.corpus import Corpus, Label
from crossmod.errors import UserError
from crossmod.evaluation import few_labels, subgroups
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.correctness import zero_shot_correctness
from crossmod.evaluation.few_labels import share_of_subjects
from crossmod.evaluation.labelled import labelled_tasks
from crossmod.evaluation.settings import FewLabelsSettings, SubgroupSettings
from crossmod.training.prepare import prepare


def _with(context: EvaluationContext, **changes: object) -> EvaluationContext:
    corpus = replace(context.prepared.corpus, **changes)
    return EvaluationContext(context.model, context.recipe, ready=replace(context.prepared, corpus=corpus))


def _sides(corpus: Corpus) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    points = corpus.columns["point"]
    return np.array(["left" if points.items[i][0] < 0.5 else "right" for i in points.item])


def test_every_value_has_a_row_and_all_known_ones_together(context: EvaluationContext) -> None:
    sides = _sides(context.prepared.corpus)
    stated = np.where(context.prepared.corpus.group % 3 == 0, "", sides)
    settings = SubgroupSettings(least_subjects=2, resamples=50)
    (table,) = subgroups.evaluate(_with(context, attributes={"side": stated}), settings)
    assert [row.cells["value"] for row in table.rows] == ["left", "right", "all of these"]
    left, right, both = (row.cells for row in table.rows)
    assert int(left["items"]) + int(right["items"]) == int(both["items"]) < 24
    assert left["labels"] == 1 and 0 <= float(left["low"]) <= float(left["auroc"]) <= float(left["high"])


def test_a_group_that_is_turned_round_shows(context: EvaluationContext) -> None:
    corpus = context.prepared.corpus
    sides, label = _sides(corpus), corpus.labels["upper"]
    values = np.where(sides == "left", label.values, 1 - label.values)
    changed = _with(context, attributes={"side": sides}, labels={"upper": replace(label, values=values)})
    (table,) = subgroups.evaluate(changed, SubgroupSettings(least_subjects=2, resamples=0))
    left, right = (float(row.cells["auroc"]) for row in table.rows[:2])
    assert left > 0.7 and right < 0.3 and "low" not in table.rows[0].cells


def test_small_groups_are_not_shown_and_none_says_what_to_do(context: EvaluationContext) -> None:
    corpus = context.prepared.corpus
    sides = _sides(corpus)
    rare = sides.astype("<U8")
    rare[corpus.rows("test")[:4]] = "rare"
    (table,) = subgroups.evaluate(
        _with(context, attributes={"side": rare}), SubgroupSettings(least_subjects=4, resamples=0)
    )
    assert "rare" not in {row.cells["value"] for row in table.rows}
    with pytest.raises(UserError, match="lower --least_subjects"):
        subgroups.evaluate(_with(context, attributes={"side": sides}), SubgroupSettings(least_subjects=500))
    with pytest.raises(UserError, match="states nothing of its subjects"):
        subgroups.evaluate(context, SubgroupSettings())


def test_labels_of_several_classes_are_scored_by_accuracy(context: EvaluationContext) -> None:
    corpus = context.prepared.corpus
    sides, upper = _sides(corpus), corpus.labels["upper"]
    columns = corpus.columns["point"]
    right = np.array([columns.items[i][0] >= 0.5 for i in columns.item])
    classes, sentences = ("low left", "high left", "low right", "high right"), corpus.columns["text"]
    prompts = {
        name: [sentences.items[i] for i in np.unique(sentences.item[(upper.values == high) & (right == east)])][:5]
        for name, high, east in zip(classes, (0, 1, 0, 1), (0, 0, 1, 1), strict=True)
    }
    quarter = Label(upper.values + 2 * right, "point", classes, prompts)
    changed = _with(context, attributes={"side": sides}, labels={"upper": upper, "quarter": quarter})
    two, several = subgroups.evaluate(changed, SubgroupSettings(least_subjects=2, resamples=50))
    assert "mean AUROC" in [column.title for column in two.columns]
    assert [row.cells["value"] for row in several.rows] == ["left", "right", "all of these"]
    left, right_half, both = (row.cells for row in several.rows)
    found = zero_shot_correctness(changed, "text", quarter, "test")
    assert float(both["accuracy"]) == pytest.approx(100 * float(found.right.mean()))
    weighed = float(left["accuracy"]) * int(left["items"]) + float(right_half["accuracy"]) * int(right_half["items"])
    assert weighed / int(both["items"]) == pytest.approx(float(both["accuracy"]))
    assert float(both["accuracy"]) > 40 and float(both["low"]) <= float(both["accuracy"]) <= float(both["high"])
    one_each = _with(changed, attributes={"name": np.array(corpus.ids)}, labels={"quarter": quarter})
    (alone,) = subgroups.evaluate(one_each, SubgroupSettings(least_subjects=1, resamples=50))
    assert all("low" not in row.cells for row in alone.rows[:-1])


def test_attributes_follow_the_rows_that_stay(context: EvaluationContext) -> None:
    corpus = context.prepared.corpus
    items = list(corpus.columns["point"].items)
    items[0] = (float("nan"), 0.0)
    columns = {**corpus.columns, "point": replace(corpus.columns["point"], items=items)}
    broken = replace(corpus, columns=columns, attributes={"name": np.array(corpus.ids)})
    kept = prepare(broken, context.model.processors, workers=0, max_rejected=1.0).corpus
    assert len(kept) < len(corpus) and kept.attributes["name"].tolist() == list(kept.ids)


def test_shares_are_of_subjects_and_nested() -> None:
    subject = torch.arange(200) // 4
    small, large = (share_of_subjects(subject, share, 3) for share in (0.1, 0.5))
    assert int(small.sum()) == 20 and int(large.sum()) == 100 and bool((large | ~small).all())
    assert len(torch.unique(subject[small])) == 5
    assert int(share_of_subjects(subject, 1e-9, 3).sum()) == 4 and bool(share_of_subjects(subject, 1.0, 3).all())
    assert not torch.equal(small, share_of_subjects(subject, 0.1, 4))


def test_labels_of_one_modality_are_tasks_of_one_table(context: EvaluationContext) -> None:
    corpus = context.prepared.corpus
    half = corpus.labels["upper"].values.copy()
    half[corpus.rows("test")[::2]] = np.nan
    labels = [corpus.labels["upper"], replace(corpus.labels["upper"], values=half)]
    tasks = labelled_tasks(context.prepared, labels, "test")
    assert tasks.values.shape == (24, 2) and not bool(tasks.values[:, 0].isnan().any())
    known = ~tasks.values[:, 1].isnan()
    assert torch.equal(tasks.values[known, 0], tasks.values[known, 1])


def test_more_labels_tell_more_and_trained_features_more_than_untrained(
    context: EvaluationContext, halves: dict[str, Label]
) -> None:
    settings = FewLabelsSettings(shares=(0.02, 1.0), draws=3)
    (table,) = few_labels.evaluate(_with(context, labels=halves), settings)
    assert [(row.cells["features"], row.cells["share"]) for row in table.rows] == [
        *(("trained point", 2.0), ("trained point", 100.0)),
        *(("untrained point", 2.0), ("untrained point", 100.0)),
    ]
    few, all_of_them = table.rows[0].cells, table.rows[1].cells
    assert few["subjects"] == 4 and all_of_them["subjects"] == 192
    assert float(all_of_them["auroc"]) > max(0.95, float(few["auroc"])) and "to" in str(few["range"])
    assert few_labels.evaluate(_with(context, labels=halves), settings) == [table]


def test_impossible_shares_and_corpora_without_labels_are_refused(context: EvaluationContext) -> None:
    for shares in ((), (0.0,), (1.5,)):
        with pytest.raises(UserError, match="above 0 up to 1"):
            FewLabelsSettings(shares=shares)
    with pytest.raises(UserError, match="no labels of 2 classes, which"):
        few_labels.evaluate(_with(context, labels={}), FewLabelsSettings())
