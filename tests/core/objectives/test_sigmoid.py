"""SigLIP's loss as a module: the acceptance checks of the sheet siglip (2, on processes, is test_gathering.py)."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import normalize, softplus

from crossmod.objectives import SigmoidPairLoss
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import sigmoid_pairs


def _loss(scale: float = 10.0, bias: float = -10.0) -> SigmoidPairLoss:
    return SigmoidPairLoss(LogitScale(scale, largest=math.inf, smallest=1e-6, bias=bias)).double()


def _dense(a: torch.Tensor, b: torch.Tensor, positive: torch.Tensor, scale: float, bias: float) -> torch.Tensor:
    logits = scale * a @ b.T + bias
    return softplus(-torch.where(positive, 1.0, -1.0) * logits).sum(1).mean()


def test_crossed_pairs_without_similarity_cost_the_closed_form() -> None:
    eye = torch.eye(16, dtype=torch.float64)
    expected = 10 + math.log1p(math.exp(-10)) + 7 * math.log1p(math.exp(-10))
    assert float(_loss()(eye[:8], eye[8:]).loss.detach()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("group", [None, [0, 1, 1, 2, 0]])
def test_is_the_dense_sum_over_all_pairs(group: list[int] | None) -> None:
    a, b = normalize(torch.randn(2, 5, 4, dtype=torch.float64), dim=-1)
    ids = torch.arange(5) if group is None else torch.tensor(group)
    found = _loss(4.0, -2.0)(a, b, None if group is None else ids).loss
    assert torch.allclose(found, _dense(a, b, ids[:, None] == ids[None, :], 4.0, -2.0), atol=1e-9)


def test_tiles_do_not_change_it_and_half_precision_stays_finite_at_logits_of_a_hundred() -> None:
    a, b = normalize(torch.randn(2, 8, 4), dim=-1)
    scale, bias = torch.tensor(4.0), torch.tensor(-2.0)
    whole = sigmoid_pairs(a, b, scale, bias)
    assert torch.allclose(sigmoid_pairs(a, b, scale, bias, tile=(3, 3)), whole, atol=1e-6)
    same = normalize(torch.ones(8, 4), dim=-1).half()
    assert bool(torch.isfinite(SigmoidPairLoss(LogitScale(100.0, bias=0.0))(same, -same).loss))


def test_pairs_are_independent_and_each_has_the_sigmoids_gradient() -> None:
    # Orthonormal keys make every entry of a's gradient that of one pair's logit.
    a = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    b, scale, bias = torch.eye(4, dtype=torch.float64), 1.0, -0.5
    gradients = []
    for group in ([0, 1, 2, 3], [0, 1, 2, 0]):
        ids = torch.tensor(group)
        (found,) = torch.autograd.grad(_loss(scale, bias)(a, b, ids).loss, a)
        sign = torch.where(ids[:, None] == ids[None, :], 1.0, -1.0)
        expected = -sign * torch.sigmoid(-sign * (a.detach() + bias)) / 4
        assert torch.allclose(found, expected, atol=1e-7)
        gradients.append(found)
    changed = (gradients[0] - gradients[1]).abs() > 1e-9
    assert changed.nonzero().tolist() == [[0, 3], [3, 0]]


def test_a_further_negative_adds_its_own_softplus() -> None:
    a, b = normalize(torch.randn(2, 5, 4, dtype=torch.float64), dim=-1)
    extra = normalize(torch.randn(1, 4, dtype=torch.float64), dim=-1)
    scale, bias = torch.tensor(3.0, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64)
    groups = torch.arange(5)
    before = sigmoid_pairs(a, b, scale, bias, group_a=groups, group_b=groups)
    after = sigmoid_pairs(a, torch.cat([b, extra]), scale, bias, group_a=groups, group_b=torch.arange(6))
    assert torch.allclose(after - before, softplus(3 * a @ extra[0] - 1).sum() / 5, atol=1e-9)


@pytest.mark.parametrize("batch", [8, 64])
def test_the_best_bias_for_embeddings_that_say_nothing_is_the_logit_of_one_in_a_batch(batch: int) -> None:
    eye = torch.eye(2 * batch, dtype=torch.float64)
    best = math.log(1 / (batch - 1))  # ln(p / (1 - p)) with p = 1 / batch
    loss = _loss(10.0, best)
    value = loss(eye[:batch], eye[batch:]).loss
    value.backward()
    assert loss.scale.bias is not None and loss.scale.bias.grad is not None
    assert abs(float(loss.scale.bias.grad)) < 1e-6  # the bias itself is a float32
    for other in (best - 0.1, best + 0.1, -10.0):
        assert float(_loss(10.0, other)(eye[:batch], eye[batch:]).loss.detach()) > float(value.detach())


def test_ranking_needs_neither_temperature_nor_bias() -> None:
    a, b = normalize(torch.randn(2, 9, 4), dim=-1)
    loss = SigmoidPairLoss()
    assert loss.scale.bias is not None
    logits = loss.scale().detach() * a @ b.T + loss.scale.bias.detach()
    assert torch.equal(logits.argsort(1), (a @ b.T).argsort(1))


def test_gradients_match_finite_differences() -> None:
    a, b = normalize(torch.randn(2, 4, 3, dtype=torch.float64), dim=-1)
    loss = _loss(2.0, -1.0)
    assert gradcheck(lambda x, y: loss(x, y).loss, (a.requires_grad_(), b.requires_grad_()))


def test_temperature_and_bias_learn_and_a_scale_without_bias_is_refused() -> None:
    loss = SigmoidPairLoss()
    a, b = normalize(torch.randn(2, 4, 3), dim=-1)
    loss(a, b).loss.backward()
    assert all(p.grad is not None and bool(p.grad.abs() > 0) for p in loss.parameters())
    assert float(loss.scale().detach()) == pytest.approx(10) and loss.scale.bias is not None
    assert float(loss.scale.bias.detach()) == -10
    with pytest.raises(ValueError, match="needs a logit bias"):
        SigmoidPairLoss(LogitScale())
