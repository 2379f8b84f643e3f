"""Blocks of the similarity matrix: inside the budget, and with rounding that no cut can change."""

from __future__ import annotations

import pytest
import torch

from crossmod_metrics.similarity import Blocks, Embeddings, plan_blocks, score_rows


@pytest.mark.parametrize("queries", [1, 50, 100_000])
@pytest.mark.parametrize("candidates", [1, 33_010, 1_000_000])
@pytest.mark.parametrize("memory_bytes", [2**24, 2**28])
def test_a_plan_stays_inside_the_budget_and_holds_at_least_one_row(queries, candidates, memory_bytes):
    blocks = plan_blocks(queries, candidates, 512, 0, None, memory_bytes)
    assert 1 <= blocks.rows <= queries
    assert 1 <= blocks.columns <= candidates
    # Scores with their comparison, the double-precision rows, and one double-precision block of candidates.
    used = blocks.rows * (6 * candidates + 8 * 512) + 8 * blocks.columns * (512 + blocks.rows)
    assert used <= memory_bytes


def test_a_tiny_budget_still_makes_progress_and_a_chunk_is_taken_as_given():
    assert plan_blocks(9, 100, 16, 0, None, 1) == Blocks(1, 1)
    assert plan_blocks(9, 100, 16, 0, 4, 2**20).rows == 4


def test_scores_are_the_single_precision_of_the_double_product_for_every_cut():
    generator = torch.Generator().manual_seed(0)
    query, candidates = torch.randn(5, 300, generator=generator), torch.randn(83, 300, generator=generator)
    sides = [Embeddings.check("x", side, normalise=False) for side in (query, candidates)]
    scale = 2.0 ** -(sides[0].exponent + sides[1].exponent)
    expected = (query.double() @ candidates.double().T * scale).float()
    for columns in (1, 7, 83):
        assert torch.equal(score_rows(*sides, 0, Blocks(5, columns)), expected)


@pytest.mark.parametrize("normalise", [False, True])
def test_the_scale_is_a_power_of_two_and_zero_rows_stay_zero(normalise):
    values = torch.tensor([[0.0, 0.0], [3e30, -4e30]])
    block = Embeddings.check("x", values, normalise=normalise).double(0, 2)
    assert block[0].tolist() == [0.0, 0.0]
    assert float(block[1, 1] / block[1, 0]) == pytest.approx(-4 / 3)
    assert 0.5 <= float(block.abs().max()) < 1.0
