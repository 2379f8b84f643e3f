"""The hinge on the hardest negative, against its definition row by row."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import HardestNegativeHinge, cosine_logits, hardest_negative_hinge


def _slow(cosines: torch.Tensor, margin: float, group: list[int]) -> float:
    total, count = 0.0, len(cosines)
    for i in range(count):
        others = [j for j in range(count) if group[j] != group[i]]
        total += max([max(0.0, margin + float(cosines[i, j] - cosines[i, i])) for j in others], default=0.0)
        total += max([max(0.0, margin + float(cosines[j, i] - cosines[i, i])) for j in others], default=0.0)
    return total


@pytest.mark.parametrize("group", [[0, 1, 2, 3], [0, 0, 1, 2], [0, 0, 0, 0]])
def test_sums_the_hardest_violation_of_each_row_and_column(group: list[int]) -> None:
    a, b = torch.randn(2, 4, 5, dtype=torch.float64)
    found = hardest_negative_hinge(a, b, group=torch.tensor(group))
    assert float(found.loss) == pytest.approx(_slow(cosine_logits(a, b), 0.2, group))
    mean = hardest_negative_hinge(a, b, group=torch.tensor(group), reduction="mean")
    assert float(mean.loss) == pytest.approx(float(found.loss) / 4)


def test_closed_forms() -> None:
    assert float(hardest_negative_hinge(torch.eye(4), torch.eye(4)).loss) == 0
    same = torch.ones(4, 3)
    assert float(hardest_negative_hinge(same, same, margin=0.3).loss) == pytest.approx(4 * 2 * 0.3, abs=1e-5)


def test_gradients_match_finite_differences() -> None:
    inputs = tuple(torch.randn(4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(lambda a, b: hardest_negative_hinge(a, b, margin=1.0).loss, inputs)


def test_only_the_hardest_negative_is_pushed() -> None:
    a = torch.tensor([[1.0, 0.0]])
    b = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5]], requires_grad=True)
    hardest_negative_hinge(a.expand(3, 2), b).loss_ab.backward()
    assert b.grad is not None
    # Row 0's and row 2's hardest is b_1's rival b_0 or b_1; b_2 is a positive only.
    first = torch.autograd.grad(
        (0.2 + cosine_logits(a, b)[0, 1] - cosine_logits(a, b)[0, 0])
        + (0.2 + cosine_logits(a, b)[0, 0] - cosine_logits(a, b)[0, 1])
        + (0.2 + cosine_logits(a, b)[0, 0] - cosine_logits(a, b)[0, 2]),
        b,
    )[0]
    assert torch.allclose(b.grad, first, atol=1e-6)


@pytest.mark.parametrize("group", [None, torch.tensor([3])])
def test_a_batch_of_one_loses_nothing_and_keeps_its_gradient(group: torch.Tensor | None) -> None:
    a, b = torch.randn(1, 3, requires_grad=True), torch.randn(1, 3)
    loss = hardest_negative_hinge(a, b, group=group).loss
    loss.backward()
    assert float(loss.detach()) == 0 and a.grad is not None and bool((a.grad == 0).all())


def test_a_broken_embedding_shows_in_the_loss() -> None:
    a = torch.eye(3)
    a[0, 0] = math.nan
    assert bool(hardest_negative_hinge(a, torch.eye(3)).loss.isnan())
    assert bool(hardest_negative_hinge(a[:1], torch.eye(3)[:1]).loss.isnan())


def test_the_module_is_the_function() -> None:
    a, b = torch.randn(2, 4, 5)
    group = torch.tensor([0, 0, 1, 2])
    found = HardestNegativeHinge(0.4, "mean")(a, b, group)
    assert torch.equal(found.loss, hardest_negative_hinge(a, b, margin=0.4, group=group, reduction="mean").loss)
    assert set(found.terms) == {"loss", "loss_ab", "loss_ba"}


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="a hinge scores pairs"):
        hardest_negative_hinge(torch.eye(3), torch.eye(3)[:2])
    with pytest.raises(ValueError, match="the margin is 0"):
        hardest_negative_hinge(torch.eye(3), torch.eye(3), margin=0.0)
    with pytest.raises(ValueError, match="are empty"):
        hardest_negative_hinge(torch.zeros(0, 3), torch.zeros(0, 3))
