"""Search inside one modality by shared labels: Jaccard, the query left out, ties, and queries without a label."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation import label_overlap as module
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.label_overlap import label_overlap, overlap_at
from crossmod.evaluation.settings import SimilarSettings

NAN = float("nan")


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=2, max_size=6))
def test_overlap_is_jaccard(rows: list[list[bool]]) -> None:
    sets = [{place for place, held in enumerate(row) if held} for row in rows]
    found = label_overlap(torch.tensor(rows).double(), torch.tensor(rows).double())
    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            if a | b:
                assert float(found[i, j]) == pytest.approx(len(a & b) / len(a | b))
            else:
                assert bool(found[i, j].isnan())


def test_what_one_side_does_not_know_is_not_compared() -> None:
    found = label_overlap(torch.tensor([[1.0, NAN, 1.0]]), torch.tensor([[1.0, 1.0, NAN], [NAN, NAN, 1.0]]))
    assert found.tolist() == [[1.0, 1.0]]


def _slowly(vectors: torch.Tensor, labels: torch.Tensor, own: torch.Tensor, k: int) -> float:
    """Query by query from the definition, for scores without ties."""
    total, queries = 0.0, 0
    for q in range(len(vectors)):
        if not labels[q].sum():
            continue
        others = [c for c in range(len(vectors)) if own[c] != own[q]]
        others.sort(key=lambda c: -float(vectors[q] @ vectors[c]))
        shared = []
        for c in others[:k]:
            both, either = int((labels[q] * labels[c]).sum()), int(((labels[q] + labels[c]) > 0).sum())
            shared.append(both / either)
        total, queries = total + sum(shared) / len(shared), queries + 1
    return total / queries


def test_equals_the_slow_transcription() -> None:
    draw = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(20, 6, generator=draw, dtype=torch.float64), dim=1)
    labels = (torch.rand(20, 4, generator=draw) < 0.35).double()
    own = torch.arange(20) // 2
    found = overlap_at(vectors, labels, own, ks=(1, 3, 50))
    for k in (1, 3, 50):
        assert found.at[k] == pytest.approx(_slowly(vectors, labels, own, k))
    assert found.at[50] == pytest.approx(found.random)
    assert found.queries + found.all_negative == 20


def test_the_query_never_finds_itself() -> None:
    # Each item is its own nearest; among the others no label is shared.
    vectors, labels = torch.eye(3), torch.eye(3)
    assert overlap_at(vectors, labels, torch.arange(3), ks=(1,)).at == {1: 0.0}
    # Reconstructions of one study are no answer either.
    pairs = torch.eye(2).repeat_interleave(2, 0)
    assert overlap_at(pairs, pairs, torch.arange(4), ks=(1,)).at == {1: 1.0}
    assert overlap_at(pairs, pairs, torch.tensor([0, 0, 1, 1]), ks=(1,)).at == {1: 0.0}


def test_a_constant_model_scores_as_a_random_order() -> None:
    labels = (torch.rand(30, 5, generator=torch.Generator().manual_seed(1)) < 0.4).double()
    found = overlap_at(torch.ones(30, 4) / 2, labels, torch.arange(30), ks=(1, 7))
    assert found.at[1] == pytest.approx(found.random) and found.at[7] == pytest.approx(found.random)


def test_queries_without_a_label_are_left_out_or_score_nothing() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]]), dim=1)
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    skipped = overlap_at(vectors, labels, torch.arange(3), ks=(1,))
    zero = overlap_at(vectors, labels, torch.arange(3), ks=(1,), all_negative="zero")
    assert (skipped.at[1], skipped.queries, skipped.all_negative) == (1.0, 2, 1)
    assert (zero.at[1], zero.queries, zero.all_negative) == (pytest.approx(2 / 3), 3, 1)
    with pytest.raises(ValueError, match="nothing can overlap"):
        overlap_at(vectors, torch.zeros(3, 2), torch.arange(3), ks=(1,))
    with pytest.raises(ValueError, match="no candidate"):
        overlap_at(vectors, labels, torch.zeros(3), ks=(1,))


def test_the_evaluation_finds_neighbours_above_chance(context: EvaluationContext, halves: dict[str, Label]) -> None:
    corpus = context.prepared.corpus
    ready = replace(context.prepared, corpus=replace(corpus, labels=halves))
    labelled = EvaluationContext(context.model, context.recipe, ready=ready)
    (table,) = module.evaluate(labelled, SimilarSettings(ks=(1, 3)))
    scored, chance = (row.cells for row in table.rows)
    assert float(scored["at1"]) > float(chance["at1"]) + 0.2
    assert 0 < int(scored["queries"]) <= 24 and "own group" in table.note
    with pytest.raises(UserError, match="no labels of 2 classes, which"):
        bare = replace(context.prepared, corpus=replace(corpus, labels={}))
        module.evaluate(EvaluationContext(context.model, context.recipe, ready=bare), SimilarSettings())
    with pytest.raises(UserError, match="from 1"):
        SimilarSettings(ks=(0,))
