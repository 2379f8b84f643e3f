from __future__ import annotations

import pytest
import torch

from crossmod.errors import UserError
from crossmod.robustness.budget import Budget
from crossmod.robustness.generator import ConditionalGenerator

STAGES = ((12, 8), (8, 4))


@pytest.mark.parametrize("shape", [(7,), (1, 20), (3, 9, 14), (4, 5, 6, 7)])
def test_it_fills_any_shape_inside_the_budget(shape):
    network = ConditionalGenerator(shape, 6, Budget(0.3), stages=STAGES)
    pattern = network(torch.randn(5, 6))
    assert pattern.shape == shape
    assert 0 < float(pattern.detach().abs().max()) <= 0.3


def test_the_answer_is_the_mean_over_conditions_in_any_order_and_number():
    network = ConditionalGenerator((2, 8, 8), 6, Budget(1.0), stages=STAGES)
    conditions = torch.randn(4, 6)
    together = network(conditions)
    alone = torch.stack([network(row[None]) for row in conditions]).mean(0)
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.allclose(network(conditions.flip(0)), together, atol=1e-6)


def test_it_listens_to_the_condition_and_every_weight_learns():
    network = ConditionalGenerator((1, 10), 6, Budget(1.0), stages=STAGES)
    one, two = network(torch.ones(1, 6)), network(-torch.ones(1, 6))
    assert not torch.allclose(one, two)
    network(torch.randn(3, 6)).square().sum().backward()
    attention = "in_proj_bias", "q_proj_weight", "k_proj_weight"  # one key: what it is compared by cannot matter
    for name, weight in network.named_parameters():
        if not name.endswith(attention):
            assert float(weight.grad.abs().sum()) > 0, name


def test_the_noise_is_fixed_by_its_seed():
    one, same, other = (ConditionalGenerator((9,), 2, Budget(1.0), stages=STAGES, seed=s).noise for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_five_axes_are_refused():
    with pytest.raises(UserError, match="has no generator"):
        ConditionalGenerator((1, 2, 3, 4, 5), 6, Budget(1.0))
