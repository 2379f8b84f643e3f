from __future__ import annotations

import pytest
import torch

from crossmod.errors import UserError
from crossmod.training.order import BatchOrder, mix_seed


def _order(draw: str = "rows", seed: int = 0, batch_size: int = 4) -> BatchOrder:
    rows = torch.arange(100, 123)
    return BatchOrder(rows, torch.arange(23) // 3, batch_size, draw=draw, seed=seed)


def test_an_epoch_of_rows_visits_each_row_at_most_once() -> None:
    order = _order()
    epoch = torch.cat([order.rows_at(step) for step in range(order.steps_per_epoch)])
    assert order.steps_per_epoch == 5
    assert len(epoch) == len(epoch.unique()) == 20
    assert epoch.min() >= 100


def test_an_epoch_of_groups_draws_one_row_of_each_group() -> None:
    order = _order("groups")
    assert order.units == 8
    epoch = torch.cat([order.rows_at(step) for step in range(order.steps_per_epoch)])
    assert sorted(((epoch - 100) // 3).tolist()) == list(range(8))


def test_every_row_of_a_group_is_drawn_in_the_long_run() -> None:
    order = _order("groups")
    seen = torch.cat([order.rows_at(step) for step in range(100)])
    assert len(seen.unique()) == 23


def test_a_step_is_the_same_whatever_was_asked_before() -> None:
    order, other = _order(), _order()
    forwards = [order.rows_at(step) for step in range(12)]
    backwards = [other.rows_at(step) for step in reversed(range(12))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))


def test_seeds_and_epochs_order_differently() -> None:
    assert not torch.equal(_order(seed=0).rows_at(0), _order(seed=1).rows_at(0))
    assert not torch.equal(_order().rows_at(0), _order().rows_at(5))


def test_too_few_rows_for_a_batch_say_so() -> None:
    with pytest.raises(UserError, match=r"has 8 groups, fewer than run.batch_size 9; lower it"):
        _order("groups", batch_size=9)


def test_neighbouring_seeds_are_unrelated() -> None:
    seeds = {mix_seed(seed, step, rank) for seed in range(8) for step in range(64) for rank in range(4)}
    assert len(seeds) == 8 * 64 * 4
    bits = torch.tensor([[(s >> k) & 1 for k in range(63)] for s in seeds], dtype=torch.float64)
    assert (bits.mean(0) - 0.5).abs().max() < 0.06


def test_an_epoch_visits_a_unit_as_often_as_it_weighs() -> None:
    weight = torch.ones(6, dtype=torch.float64)
    weight[2] = 3.0
    order = BatchOrder(torch.arange(6), torch.arange(6), 2, draw="rows", seed=0, weight=weight)
    assert order.units == 8
    epoch = torch.cat([order.rows_at(step) for step in range(4)])
    assert torch.bincount(epoch).tolist() == [1, 1, 3, 1, 1, 1]


def test_rows_of_a_group_are_drawn_in_proportion_to_their_weights() -> None:
    weight = torch.tensor([1.0, 3.0, 1.0, 1.0], dtype=torch.float64)
    order = BatchOrder(torch.arange(4), torch.tensor([0, 0, 1, 1]), 2, draw="groups", seed=0, weight=weight)
    counts = torch.bincount(torch.cat([order.rows_at(step) for step in range(4000)]), minlength=4).double()
    assert abs(float(counts[1] / counts[:2].sum()) - 0.75) < 0.02
    assert abs(float(counts[3] / counts[2:].sum()) - 0.5) < 0.03
    assert abs(float(counts[:2].sum() / counts[2:].sum()) - 3.0) < 0.1


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="not positive"):
        BatchOrder(torch.arange(2), torch.arange(2), 2, draw="rows", seed=0, weight=torch.tensor([1.0, 0.0]))
