"""Classification metrics against transcriptions of their definitions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_metrics import accuracy, average_precision, f1_macro, multi_task, roc_auc


def slow_roc_auc(scores, labels):
    won = pairs = 0.0
    for a, label_a in zip(scores, labels, strict=True):
        for b, label_b in zip(scores, labels, strict=True):
            if label_a == 1 and label_b == 0:
                pairs += 1
                won += 1.0 if a > b else 0.5 if a == b else 0.0
    return won / pairs


def slow_average_precision(scores, labels):
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = [label for score, label in zip(scores, labels, strict=True) if score >= threshold]
        precision, recall = sum(taken) / len(taken), sum(taken) / sum(labels)
        area += (recall - recall_before) * precision
        recall_before = recall
    return area


def slow_f1_macro(predicted, labels):
    values = []
    for kind in sorted(set(predicted) | set(labels)):
        both = sum(p == kind and t == kind for p, t in zip(predicted, labels, strict=True))
        precision = both / max(1, sum(p == kind for p in predicted))
        recall = both / max(1, sum(t == kind for t in labels))
        values.append(0.0 if both == 0 else 2 * precision * recall / (precision + recall))
    return sum(values) / len(values)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30))
def test_areas_equal_their_definitions_with_ties(rows):
    scores, labels = [float(score) for score, _ in rows], [int(label) for _, label in rows]
    if len(set(labels)) < 2:
        with pytest.raises(ValueError, match="one class"):
            roc_auc(torch.tensor(scores), torch.tensor(labels))
        return
    tensors = torch.tensor(scores), torch.tensor(labels)
    assert roc_auc(*tensors) == pytest.approx(slow_roc_auc(scores, labels), abs=1e-12)
    assert average_precision(*tensors) == pytest.approx(slow_average_precision(scores, labels), abs=1e-12)


def test_areas_of_perfect_reversed_and_constant_scores():
    labels = torch.tensor([0, 0, 1, 1, 1])
    rising, constant = torch.arange(5.0), torch.full((5,), 0.1)
    assert (roc_auc(rising, labels), roc_auc(-rising, labels), roc_auc(constant, labels)) == (1.0, 0.0, 0.5)
    assert average_precision(rising, labels) == 1.0
    assert average_precision(constant, labels) == pytest.approx(0.6)


def test_roc_auc_is_unchanged_by_a_rising_transform_and_mirrored_by_swapped_labels():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(500, generator=generator)
    labels = (torch.rand(500, generator=generator) < 0.1).long()
    assert roc_auc(torch.sigmoid(scores.double()), labels) == roc_auc(scores, labels)
    assert roc_auc(scores, 1 - labels) == pytest.approx(1 - roc_auc(scores, labels), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores(dtype):
    scores = torch.randn(60, generator=torch.Generator().manual_seed(1)).to(dtype)
    labels = torch.arange(60) % 2
    assert roc_auc(scores, labels) == roc_auc(scores.double(), labels)
    assert average_precision(scores, labels) == average_precision(scores.double(), labels)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_accuracy_and_f1_equal_their_definitions(rows):
    predicted, labels = [p for p, _ in rows], [t for _, t in rows]
    tensors = torch.tensor(predicted), torch.tensor(labels)
    assert accuracy(*tensors) == pytest.approx(sum(p == t for p, t in rows) / len(rows))
    assert f1_macro(*tensors) == pytest.approx(slow_f1_macro(predicted, labels))


def test_tasks_without_two_classes_are_skipped_and_counted():
    nan = torch.nan
    labels = torch.tensor([[1.0, 0.0, nan, 1.0], [0.0, 0.0, nan, nan], [1.0, 0.0, nan, 0.0], [nan, 0.0, nan, 1.0]])
    scores = torch.tensor([[0.9, 0.1, 0.5, 0.2], [0.8, 0.2, 0.5, 0.9], [0.3, 0.3, 0.5, 0.5], [0.0, 0.4, 0.5, 0.7]])
    found = multi_task(roc_auc, scores, labels)
    assert found.skipped == (1, 2)
    assert found.tasks_scored == 2
    assert found.per_task[0] == 0.5
    assert found.per_task[3] == 0.5
    assert bool(found.per_task[[1, 2]].isnan().all())
    assert found.mean == 0.5


def test_hostile_input_is_refused_in_words():
    labels = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="scores holds 1 NaN"):
        roc_auc(torch.tensor([torch.nan, 1.0]), labels)
    with pytest.raises(ValueError, match="not 0 or 1"):
        roc_auc(torch.ones(2), torch.tensor([0, 2]))
    with pytest.raises(ValueError, match="scores 3, labels 2"):
        average_precision(torch.ones(3), labels)
    with pytest.raises(ValueError, match="scores is empty"):
        roc_auc(torch.ones(0), torch.ones(0))
    with pytest.raises(ValueError, match="none of 2 tasks"):
        multi_task(roc_auc, torch.ones(3, 2), torch.ones(3, 2))
    with pytest.raises(ValueError, match="one column a task"):
        multi_task(roc_auc, torch.ones(3, 2), torch.ones(3, 1))
    with pytest.raises(ValueError, match="predicted is empty"):
        f1_macro(torch.ones(0).long(), torch.ones(0).long())
