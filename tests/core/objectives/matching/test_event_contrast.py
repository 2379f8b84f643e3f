from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from crossmod.objectives.matching.event_contrast import (
    LocalTextContrast,
    OrderContrast,
    duplicate_captions,
    order_accuracy,
)
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import infonce_reference, soft_target_infonce_reference


def test_one_frame_a_recording_is_plain_info_nce() -> None:
    local, text = torch.randn(5, 4), torch.randn(5, 4)
    found = LocalTextContrast(LogitScale(8.0))(local, text, torch.arange(5)).loss
    assert torch.allclose(found, infonce_reference(local, text, torch.tensor(8.0)), atol=1e-5)


def test_exactly_the_duplicates_of_one_recording_are_no_negatives() -> None:
    text = torch.randn(4, 16)
    text[1] = text[0] + 0.01 * torch.randn(16)
    text[3] = text[2]
    recording = torch.tensor([0, 0, 1, 2])
    duplicate = duplicate_captions(text, text, recording, recording, 0.9)
    expected = torch.eye(4, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = True
    assert torch.equal(duplicate, expected)
    local = torch.randn(4, 16)
    unit = nn.functional.normalize
    logits = 8.0 * unit(local, dim=-1) @ unit(text, dim=-1).T
    mask = ~expected | torch.eye(4, dtype=torch.bool)
    reference = soft_target_infonce_reference(logits, logits.T, torch.eye(4), torch.eye(4), mask)
    assert torch.allclose(LocalTextContrast(LogitScale(8.0))(local, text, recording).loss, reference, atol=1e-5)


def test_order_contrast_adds_the_own_wrong_orders_to_the_batch() -> None:
    a, b, wrong = (nn.functional.normalize(torch.randn(*s, 4), dim=-1) for s in ((3,), (3,), (3, 2)))
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    expected = []
    for i in range(3):
        scores = [6 * float(a[i] @ b[j]) for j in range(3)]
        scores += [6 * float(a[i] @ wrong[i, r]) for r in range(2) if mask[i, r]]
        there = math.log(sum(math.exp(score) for score in scores)) - scores[i]
        back = math.log(sum(math.exp(6 * float(b[i] @ a[j])) for j in range(3))) - 6 * float(b[i] @ a[i])
        expected.append((there + back) / 2)
    found = OrderContrast(LogitScale(6.0))(a, b, torch.arange(3), wrong, mask).loss
    assert float(found.detach()) == pytest.approx(sum(expected) / 3, rel=1e-5)


def test_wrong_orders_on_the_other_side_serve_the_texts() -> None:
    a, b = torch.randn(3, 4), torch.randn(3, 4)
    loss, none = OrderContrast(LogitScale(6.0)), torch.zeros(3, 0, 4)
    wrong = torch.randn(3, 2, 4)
    one = loss(a, b, torch.arange(3), wrong, reordered_a=torch.randn(3, 2, 4), mask_a=torch.zeros(3, 2).bool()).loss
    assert torch.allclose(one, loss(a, b, torch.arange(3), wrong).loss)
    swapped = loss(b, a, torch.arange(3), none, reordered_a=wrong).loss
    assert torch.allclose(swapped, loss(a, b, torch.arange(3), wrong).loss, atol=1e-6)
    assert torch.allclose(loss(a, b, torch.arange(3), none).loss, infonce_reference(a, b, torch.tensor(6.0)), atol=1e-5)


def test_order_accuracy_counts_ties_half() -> None:
    a = torch.eye(3)
    wrong = torch.stack([-torch.eye(3), torch.eye(3)], dim=1)
    assert float(order_accuracy(a, a, wrong)) == 0.5
    assert float(order_accuracy(a, a, wrong[:, :1])) == 1.0
    assert float(order_accuracy(a, -a, wrong)) == 0.0
    assert float(order_accuracy(a, a, wrong, torch.tensor([[True, False]]).expand(3, 2))) == 1.0
    assert math.isnan(float(order_accuracy(a[:0], a[:0], wrong[:0])))


class Bag(nn.Module):
    """Sequences of events as vectors: with positions it can see order, without it cannot."""

    def __init__(self, positions: bool) -> None:
        super().__init__()
        self.event = nn.Embedding(6, 16)
        self.position = nn.Parameter(torch.randn(2, 16)) if positions else None
        self.out = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, order: Tensor) -> Tensor:
        tokens = self.event(order)
        # Sorted first, so that a bag without positions has no rounding by which to tell orders apart.
        tokens = self.event(order.sort(-1).values) if self.position is None else torch.tanh(tokens * self.position)
        return self.out(tokens.sum(-2))


@pytest.mark.parametrize("positions", [True, False])
def test_learns_the_order_unless_the_encoder_cannot_see_it(positions: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b, loss = Bag(positions), Bag(positions), OrderContrast()
    optimiser = torch.optim.Adam([*a.parameters(), *b.parameters()], lr=0.01)
    accuracy = 0.0
    for _ in range(200):
        order = torch.stack([torch.randperm(6, generator=generator)[:2] for _ in range(32)])
        # The same two events in the same order describe the same thing.
        group = order[:, 0] * 6 + order[:, 1]
        outcome = loss(a(order), b(order), group, b(order.flip(1))[:, None])
        optimiser.zero_grad()
        outcome.loss.backward()
        optimiser.step()
        accuracy = float(outcome.terms["order_accuracy"])
    assert accuracy > 0.95 if positions else accuracy == 0.5


def test_nothing_costs_a_zero_and_shapes_have_to_fit() -> None:
    nothing, none = torch.zeros(0, 4, requires_grad=True), torch.zeros(0, dtype=torch.int64)
    for loss in (
        LocalTextContrast()(nothing, nothing, none).loss,
        OrderContrast()(nothing, nothing, none, torch.zeros(0, 2, 4)).loss,
    ):
        loss.backward()
        assert float(loss.detach()) == 0
    with pytest.raises(ValueError, match="one caption and one recording a frame"):
        LocalTextContrast()(torch.zeros(2, 4), torch.zeros(3, 4), torch.arange(2))
    with pytest.raises(ValueError, match="give one of each"):
        OrderContrast()(torch.zeros(2, 4), torch.zeros(2, 4), torch.arange(2), torch.zeros(3, 1, 4))
