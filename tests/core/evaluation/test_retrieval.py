from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.retrieval import Direction, gallery, retrieval_table, retrieve
from crossmod_metrics import chance, retrieval_metrics
from crossmod_report import text_table


def test_a_gallery_holds_every_item_once_with_its_group(context: EvaluationContext) -> None:
    prepared = context.prepared
    rows = torch.from_numpy(prepared.corpus.rows("test"))
    points, texts = gallery(prepared, "point", rows), gallery(prepared, "text", rows)
    assert len(points.item) == 24 and len(texts.item) == 48
    assert points.group.tolist() == points.item.tolist()
    assert torch.equal(texts.group.unique(), points.group.unique())


def test_a_trained_model_beats_chance_in_both_directions(context: EvaluationContext) -> None:
    directions = retrieve(context, split="test")
    assert [direction.name for direction in directions] == ["point → text", "text → point"]
    for direction in directions:
        assert direction.metrics.mean_reciprocal_rank > 2 * direction.random.mean_reciprocal_rank


def test_ranks_agree_with_a_slow_transcription(context: EvaluationContext) -> None:
    prepared, model = context.prepared, context.model
    rows = torch.from_numpy(prepared.corpus.rows("test"))
    text, point = gallery(prepared, "text", rows), gallery(prepared, "point", rows)
    scores = (
        model.embed("text", prepared.inputs["text"].take(text.item))
        @ model.embed("point", prepared.inputs["point"].take(point.item)).T
    )
    expected = []
    for row, group in zip(scores, text.group, strict=True):
        best = max(float(score) for score, other in zip(row, point.group, strict=True) if other == group)
        expected.append(1 + sum(float(s) > best for s, other in zip(row, point.group, strict=True) if other != group))
    found = retrieve(context, split="test")[1].ranks
    assert found.tolist() == pytest.approx(expected)


def test_all_candidates_make_it_harder(context: EvaluationContext) -> None:
    few = retrieve(context, split="test")
    all_of_them = retrieve(context, split="test", candidates="all")
    assert all_of_them[1].metrics.candidates == 240 and few[1].metrics.candidates == 24
    assert all_of_them[1].metrics.mean_rank > few[1].metrics.mean_rank


def test_a_constant_model_scores_as_chance(context: EvaluationContext) -> None:
    constant = replace(context, model=replace_heads_with_constant(context), ready=context.prepared)
    for direction in retrieve(constant, split="test"):
        assert direction.metrics.recall[1] == 0
        assert direction.metrics.mean_rank > 0.4 * direction.metrics.candidates


def replace_heads_with_constant(context: EvaluationContext) -> torch.nn.Module:
    import copy

    model = copy.deepcopy(context.model)
    for head in model.heads.values():
        for layer in head:
            torch.nn.init.zeros_(layer.weight)
    return model


def test_shuffled_pairs_fall_to_chance(context: EvaluationContext) -> None:
    prepared = context.prepared
    draw = np.random.default_rng(0).permutation(len(prepared.corpus))
    shuffled = replace(prepared, item={**prepared.item, "text": prepared.item["text"][torch.from_numpy(draw)]})
    rows = torch.from_numpy(prepared.corpus.rows("test"))
    assert not torch.equal(shuffled.item["text"][rows], prepared.item["text"][rows])
    honest = retrieve(context, split="test")[1].metrics
    fooled = retrieve(replace(context, ready=shuffled), split="test")[1]
    assert fooled.metrics.mean_reciprocal_rank < 0.5 * honest.mean_reciprocal_rank
    assert fooled.metrics.mean_reciprocal_rank == pytest.approx(fooled.random.mean_reciprocal_rank, abs=0.12)


def test_the_table_shows_chance_below_every_direction(context: EvaluationContext) -> None:
    text = text_table(retrieval_table(retrieve(context, split="test"), "retrieval"))
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert lines.count("chance") == 2


def test_a_split_without_pairs_has_no_direction(context: EvaluationContext) -> None:
    corpus = replace(context.prepared.corpus, split=np.full(len(context.prepared.corpus), "train"))
    assert retrieve(replace(context, ready=replace(context.prepared, corpus=corpus)), split="test") == []


def test_a_row_asks_for_its_own_item_alone(context: EvaluationContext) -> None:
    (strict,) = retrieve(context, split="test", positives="row", query="point")
    (lenient,) = retrieve(context, split="test", query="point")
    # A point has two sentences: as rows both ask, and each finds only its own right.
    assert (strict.metrics.queries, lenient.metrics.queries) == (48, 24)
    assert strict.metrics.mean_rank > lenient.metrics.mean_rank
    assert strict.random.mean_rank == 24.5


def test_directions_of_few_and_of_many_candidates_share_a_table() -> None:
    def direction(name: str, candidates: int, ks: tuple[int, ...]) -> Direction:
        found = torch.ones(4, dtype=torch.float64)
        metrics = retrieval_metrics(found, candidates, ks)
        return Direction(name, "other", metrics, chance(candidates, torch.ones(4, dtype=torch.int64), ks), found)

    table = retrieval_table([direction("few", 3, (1,)), direction("many", 40, (1, 5))], "two")
    assert [column.key for column in table.columns if column.key.startswith("recall")] == ["recall@1", "recall@5"]
    few, _, many, _ = (row.cells for row in table.rows)
    assert "recall@5" not in few
    assert (few["recall@1"], many["recall@1"], many["recall@5"]) == (100, 100, 100)
