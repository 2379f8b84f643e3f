from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.errors import UserError
from crossmod.robustness.budget import Budget, random_signs, random_start

NUMBERS = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8), st.floats(0, 1e3, width=32))
def test_a_projection_is_inside_to_the_last_bit_and_leaves_inner_points_alone(pairs, epsilon):
    clean, far = (torch.tensor([[pair[side] for pair in pairs]]) for side in (0, 1))
    budget = Budget(epsilon)
    found = budget.project(far, clean)
    assert bool(((found - clean).abs() <= torch.tensor(epsilon)).all())
    assert torch.equal(budget.project(found, clean), found)
    inner = (far - clean).abs() < 0.999 * epsilon - 1e-6 * clean.abs()
    assert torch.equal(found[inner], far[inner])


def test_a_projection_is_the_nearest_point():
    clean, epsilon = torch.zeros(1, 3), 0.25
    found = Budget(epsilon, -0.1, 1.0).project(torch.tensor([[-9.0, 0.2, 9.0]]), clean)
    assert found.tolist() == [[pytest.approx(-0.1), pytest.approx(0.2), 0.25]]


def test_a_zero_budget_is_the_clean_input_itself():
    clean = torch.randn(4, 5)
    assert torch.equal(Budget(0.0).project(clean + 1, clean), clean)


def test_a_budget_may_differ_by_band():
    clean = torch.zeros(2, 3, 4, 4)
    bands = torch.tensor([0.1, 0.0, 0.3])[:, None, None]
    found = random_signs(Budget(bands), clean, torch.Generator().manual_seed(0))
    assert torch.equal(found.abs(), bands.expand(2, 3, 4, 4))


def test_random_points_are_seeded_inside_and_leave_the_global_generator_alone():
    clean, budget = torch.rand(50, 20), Budget(0.2, 0.0, 1.0)
    state = torch.random.get_rng_state()
    one, same, other = (random_start(budget, clean, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert float((one - clean).abs().max()) <= 0.2 and float(one.min()) >= 0 and float(one.max()) <= 1
    assert float((one - clean).std()) > 0.08


def test_refusals():
    for epsilon in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="epsilon is"):
            Budget(epsilon)
    with pytest.raises(UserError, match="lower must be below upper"):
        Budget(0.1, 1.0, 0.0)
    with pytest.raises(UserError, match="spans 0 to 2, outside its range 0.0 to 1.0"):
        Budget(0.1, 0.0, 1.0).require_inside(torch.tensor([[0.0, 2.0]]))
