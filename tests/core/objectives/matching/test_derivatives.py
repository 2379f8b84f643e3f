"""Losses of the family have the gradient of finite differences, temperature included, and autocast reaches none."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmod.contracts.tower import Features
from crossmod.objectives.matching import (
    CaptionedMomentsObjective,
    CrossResolutionConsistency,
    EntityPrompter,
    EventOrderObjective,
    LocalTextContrast,
    MomentWordContrast,
    OrderContrast,
    PairFusion,
    PairMatchingLoss,
    PromptedPseudoLabel,
    resolution_prediction,
    row_contrast,
)
from crossmod.state.logit_scale import LogitScale

ATTACHED = runpy.run_path(str(Path(__file__).with_name("attached_rows.py")))
ROWS, WIDTH = 4, 4
GROUP = torch.tensor([0, 1, 1, 2])
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


class Product(PairFusion):
    width = WIDTH

    def forward(self, a: Features, b: Features, /) -> Tensor:
        return a.pooled * b.pooled


def _constant(like: Tensor, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(like.dtype)


def _temperature(scale: Tensor) -> LogitScale:
    """A logit scale that is the given tensor, so that a module's temperature is an input to differentiate."""
    module = LogitScale(2.0)
    module.forward = lambda: scale
    return module


def _local_text(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    # Rows 1 and 2 are of one recording with nearly the same caption, so their pair is left out.
    captions = torch.cat([b[:2], b[1:2] + 0.01 * b[2:3], b[3:]])
    value: Tensor = LocalTextContrast(_temperature(scale))(a, captions, GROUP).loss
    return value


def _order(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    mask = torch.tensor([[1, 1], [1, 0], [0, 0], [0, 1]]).bool()
    orders = torch.stack([b.flip(1), b.roll(1, 1)], 1)
    value: Tensor = OrderContrast(_temperature(scale))(a, b, GROUP, orders, mask, a.flip(1)[:, None]).loss
    return value


def _moment(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    eligible = torch.tensor([[1, 1], [1, 0], [0, 0], [0, 1]]).bool()
    words = torch.stack([b, b.roll(1, 1)], 1)
    # The moment that selects and weighs words is a constant there, and a row of the contrast here.
    value: Tensor = MomentWordContrast(_temperature(scale), share=1.0)(_constant(a, ROWS, WIDTH), words, eligible).loss
    return value + row_contrast(a, b, scale, torch.eye(ROWS, dtype=torch.bool)).sum()


def _consistency(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    torch.manual_seed(0)
    module = CrossResolutionConsistency(WIDTH, projected=3, mode="predict").to(a.dtype)
    # The long side is a target and has no gradient, so that it is a constant here.
    value: Tensor = module(a * scale + b, _constant(a, ROWS, WIDTH)).loss
    return value


def _matching(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    torch.manual_seed(0)
    loss = PairMatchingLoss(Product(), negatives="permutation").to(a.dtype)
    value: Tensor = loss(Features(a), Features(b), torch.arange(ROWS)).loss
    return value * scale


def _entities(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    torch.manual_seed(0)
    prompter = EntityPrompter(torch.nn.Identity(), torch.eye(3, WIDTH), temperature=0.5, threshold=0.0)
    loss = PromptedPseudoLabel(prompter, WIDTH).to(a.dtype)
    inside = torch.tensor([[1, 1], [1, 0], [0, 0], [0, 1]]).bool()
    value: Tensor = loss(torch.stack([a, b], 1), inside, _constant(a, ROWS, WIDTH)).loss
    return value * scale


def _captions(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    batch = ATTACHED["attached"](a, b, GROUP, [0, 0, 1, 2, 3], [0, 1, 1, 0, 1], lacking=[2])
    objective = CaptionedMomentsObjective("a", "further", LocalTextContrast(_temperature(scale)))
    value: Tensor = objective(ATTACHED["Plain"](batch), batch).loss
    return value


def _orders_of_rows(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    batch = ATTACHED["attached"](a, b, GROUP, [0, 0, 1, 2, 3], [-1] * 5, lacking=[2])
    objective = EventOrderObjective("a", "b", "further", None, OrderContrast(_temperature(scale)))
    value: Tensor = objective(ATTACHED["Plain"](batch), batch).loss
    return value


LOSSES: dict[str, Loss] = {
    "local text": _local_text,
    "order": _order,
    "moment words": _moment,
    "prediction": lambda a, b, s: resolution_prediction(a * s + b, _constant(a, ROWS, WIDTH)),
    "consistency": _consistency,
    "matching": _matching,
    "entities": _entities,
    "captions": _captions,
    "orders of rows": _orders_of_rows,
}
LEARNED = ("consistency", "matching", "entities")
"""With a learned layer on the way, which autocast rightly runs in half precision."""


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    a, b = torch.randn(2, ROWS, WIDTH, dtype=torch.float64)
    leaves = [a.requires_grad_(), b.requires_grad_(), torch.tensor(3.0, dtype=torch.float64, requires_grad=True)]
    assert LOSSES[name](*leaves).dtype == torch.float64
    assert torch.autograd.gradcheck(LOSSES[name], leaves)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in LEARNED])
def test_autocast_reaches_neither_the_loss_nor_its_gradient(name: str) -> None:
    found = []
    for inside in (False, True):
        torch.manual_seed(1)
        leaves = [x.requires_grad_() for x in (*torch.randn(2, ROWS, WIDTH), torch.tensor(60.0))]
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            loss = LOSSES[name](*leaves)
        found.append([loss.detach(), *torch.autograd.grad(loss, leaves)])
    assert found[1][0].dtype == torch.float32
    for plain, mixed in zip(*found, strict=True):
        assert torch.allclose(mixed, plain, rtol=1e-5, atol=1e-6)
