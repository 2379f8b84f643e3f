from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.matching.reranking import rerank


@given(
    queries=st.integers(1, 4),
    keys=st.integers(1, 6),
    candidates=st.integers(1, 8),
    at_once=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_orders_the_nearest_by_the_joint_score_and_leaves_the_rest_in_order(
    queries: int, keys: int, candidates: int, at_once: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Few distinct values, so that ties happen, on a scale at which adding a constant would round them together.
    similarity = torch.randint(0, 4, (queries, keys), generator=generator) * 1e-6 + 1e3
    joint = torch.rand(queries, keys, generator=generator)
    asked: list[tuple[int, int]] = []

    def match(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        assert 0 < len(query) <= at_once
        asked.extend(zip(query.tolist(), key.tolist(), strict=True))
        return joint[query, key]

    scores = rerank(similarity, match, candidates=candidates, pairs_at_once=at_once)
    for query in range(queries):
        before = sorted(range(keys), key=lambda key: -float(similarity[query, key]))
        nearest, rest = before[:candidates], before[candidates:]
        expected = sorted(nearest, key=lambda key: -float(joint[query, key])) + rest
        assert scores[query].argsort(descending=True, stable=True).tolist() == expected
        assert {key for row, key in asked if row == query} == set(nearest)
    assert len(asked) == queries * min(candidates, keys)


def test_nothing_to_rank_stays_nothing_and_broken_scores_are_refused() -> None:
    def half(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return torch.full(query.shape, 0.5)

    assert rerank(torch.zeros(0, 3), half).shape == (0, 3)
    assert rerank(torch.zeros(3, 0), half).shape == (3, 0)
    with pytest.raises(ValueError, match="look at the embeddings"):
        rerank(torch.full((2, 2), torch.nan), half)
    with pytest.raises(ValueError, match="at least one of each"):
        rerank(torch.zeros(2, 2), half, candidates=0)
    for broken in (lambda q, k: half(q, k) * 3, lambda q, k: half(q, k) * torch.nan, lambda q, k: half(q, k)[:1]):
        with pytest.raises(ValueError, match="one probability a pair"):
            rerank(torch.zeros(2, 2), broken)
