"""Every loss of the family on hostile input: a defined value, a sentence, and never a number made of NaN."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossmod.contracts.tower import Features
from crossmod.objectives.matching.answers import answer_cross_entropy
from crossmod.objectives.matching.boxes import box_loss
from crossmod.objectives.matching.contrast_rows import row_contrast
from crossmod.objectives.matching.cross_resolution import resolution_contrast, resolution_prediction
from crossmod.objectives.matching.entity_prompter import EntityPrompter, PromptedPseudoLabel
from crossmod.objectives.matching.event_contrast import LocalTextContrast, OrderContrast
from crossmod.objectives.matching.event_objectives import CaptionedMomentsObjective, EventOrderObjective
from crossmod.objectives.matching.focal import dice_loss, quality_focal_loss, sigmoid_focal_loss
from crossmod.objectives.matching.pair_fusion import PairFusion
from crossmod.objectives.matching.pair_matching import PairMatchingLoss, matching_cross_entropy
from crossmod.objectives.matching.word_moments import MomentWordContrast
from crossmod.state.logit_scale import LogitScale

ATTACHED = runpy.run_path(str(Path(__file__).with_name("attached_rows.py")))


class Sum(PairFusion):
    width = 4

    def forward(self, a: Features, b: Features, /) -> Tensor:
        return a.pooled.float() + b.pooled.float()


Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def _matching(a: Tensor, b: Tensor, group: Tensor, scale: float) -> Tensor:
    torch.manual_seed(0)
    loss = PairMatchingLoss(Sum()).to(torch.float32)
    return loss(Features(a), Features(b), group, scale * a.detach().float() @ b.detach().float().T).loss


def _boxes(a: Tensor, b: Tensor, group: Tensor, scale: float) -> Tensor:
    # The second half of the row are sizes, which are not negative.
    return box_loss(torch.cat([a[:, :2], a[:, 2:].abs()], 1), torch.cat([b[:, :2], b[:, 2:].abs()], 1)).loss


def _all_but_the_third(b: Tensor) -> list[int]:
    return [row for row in range(len(b)) if row != 2]


def _captions(a: Tensor, b: Tensor, group: Tensor, scale: float) -> Tensor:
    rows = _all_but_the_third(b)
    batch = ATTACHED["attached"](a, b, group, rows, [1] * len(rows))
    objective = CaptionedMomentsObjective("a", "further", LocalTextContrast(LogitScale(scale)))
    value: Tensor = objective(ATTACHED["Plain"](batch), batch).loss
    return value


def _orders(a: Tensor, b: Tensor, group: Tensor, scale: float) -> Tensor:
    rows = _all_but_the_third(b)
    batch = ATTACHED["attached"](a, b, group, rows, [-1] * len(rows))
    objective = EventOrderObjective("a", "b", "further", None, OrderContrast(LogitScale(scale)))
    value: Tensor = objective(ATTACHED["Plain"](batch), batch).loss
    return value


def _entities(a: Tensor, b: Tensor, group: Tensor, scale: float) -> Tensor:
    torch.manual_seed(0)
    prompter = EntityPrompter(torch.nn.Identity(), torch.eye(3, 4), temperature=1 / scale, threshold=0.0)
    loss = PromptedPseudoLabel(prompter, 4).to(a.dtype)
    inside = torch.ones(len(a), 2, dtype=torch.bool)
    return loss(torch.stack([a, a.roll(1, 1)], 1), inside, b.detach()).loss


LOSSES: dict[str, Loss] = {
    "resolution contrast": lambda a, b, g, s: resolution_contrast(a, b, torch.tensor(s), g),
    "resolution prediction": lambda a, b, g, s: resolution_prediction(a, b),
    "local text": lambda a, b, g, s: LocalTextContrast(LogitScale(s))(a, b, g).loss,
    "order": lambda a, b, g, s: OrderContrast(LogitScale(s))(a, b, g, b[:, None].flip(2)).loss,
    "moment words": lambda a, b, g, s: (
        MomentWordContrast(LogitScale(s))(a, torch.stack([b, -b], 1), torch.ones(len(b), 2, dtype=torch.bool), g).loss
    ),
    "matching": _matching,
    "matching cross-entropy": lambda a, b, g, s: matching_cross_entropy(a[:, :2] - b[:, :2], g == 0),
    "answers": lambda a, b, g, s: answer_cross_entropy(a - b, g % 4, torch.ones(len(g), dtype=torch.bool)),
    "focal": lambda a, b, g, s: sigmoid_focal_loss(a - b, (g % 2)[:, None].expand_as(a).to(a.dtype)),
    "quality focal": lambda a, b, g, s: quality_focal_loss(a - b, (g % 2)[:, None].expand_as(a).to(a.dtype) * 0.3),
    "dice": lambda a, b, g, s: dice_loss(a - b, (g % 2)[:, None].expand_as(a).to(a.dtype)),
    "boxes": _boxes,
    "captions": _captions,
    "orders of rows": _orders,
    "entities": _entities,
}
SCORED = ("answers", "focal", "quality focal", "dice", "matching cross-entropy")
"""Losses of scores, whose infinities have limits: a certain and right answer costs nothing."""
OF_BATCHES = ("captions", "orders of rows")
"""Which take a batch, whose rows are of one number by construction."""
PAIRED = [name for name in LOSSES if name not in (*SCORED, *OF_BATCHES)]
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "dense": lambda x: x,
    "transposed": lambda x: x.t().contiguous().t(),
    "strided": lambda x: torch.stack([x, x], 2)[:, :, 0],
    "expanded": lambda x: x[:1].expand(len(x), -1),
}


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(0, 5),
    groups=st.integers(1, 5),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    scale=st.sampled_from([2.0, 14.3, 100.0]),
    size=st.sampled_from([1.0, 0.0, 1e3]),
    seed=st.integers(0, 10**6),
)
@example(batch=0, groups=1, dtype=torch.float32, layout="dense", scale=2.0, size=1.0, seed=0)
@example(batch=1, groups=1, dtype=torch.float16, layout="strided", scale=100.0, size=1.0, seed=1)
@example(batch=4, groups=1, dtype=torch.bfloat16, layout="expanded", scale=100.0, size=1e3, seed=2)
def test_finite_input_of_any_size_type_and_layout_gives_a_finite_loss_and_finite_gradients(
    name: str, batch: int, groups: int, dtype: torch.dtype, layout: str, scale: float, size: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, batch, 4, generator=generator)
    a[:1] *= size
    leaves = [x.to(dtype).requires_grad_() for x in (a, b)]
    group = torch.randint(0, groups, (batch,), generator=generator)
    loss = LOSSES[name](*(LAYOUTS[layout](x) for x in leaves), group, scale)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 and name != "matching" else torch.float32)
    assert math.isfinite(float(loss.detach())) and float(loss.detach()) > -1e-5
    loss.backward()
    if not batch:
        assert float(loss.detach()) == 0
    if dtype == torch.float16 and size == 0.0:
        # Normalising divides the gradient by the length, or by its floor of 1e-8: float16 ends at 65,504.
        return
    for leaf in leaves:
        assert leaf.grad is None or bool(torch.isfinite(leaf.grad).all())


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=15, deadline=None)
@given(broken=st.sampled_from([math.nan, math.inf, -math.inf]), batch=st.integers(1, 4), place=st.integers(0, 1))
def test_broken_input_is_never_mistaken_for_a_loss(name: str, broken: float, batch: int, place: int) -> None:
    # A pair alone has no negative, so that matching scores nothing of it.
    a, b = torch.randn(2, max(batch, 2) if name == "matching" else batch, 4)
    a[0, place] = math.nan if name in SCORED else broken
    try:
        loss = LOSSES[name](a, b, torch.arange(len(a)), 10.0)
    except ValueError as refusal:
        assert "NaN" in str(refusal) or "finite" in str(refusal)
        return
    assert not bool(torch.isfinite(loss))


GROUPED = ("resolution contrast", "local text", "order", "moment words", "matching")


@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize("ids", [1, 4])
def test_groups_of_other_rows_are_refused_in_a_sentence(name: str, ids: int) -> None:
    with pytest.raises(ValueError, match=r"\w+ .*\w+"):
        LOSSES[name](torch.randn(3, 4), torch.randn(3, 4), torch.zeros(ids, dtype=torch.int64), 10.0)


@pytest.mark.parametrize(
    "given",
    [
        {"keys": torch.ones(2, 3)},
        {"forbidden": torch.zeros(2, 1, dtype=torch.bool)},
        {"own_negatives": torch.ones(1, 3, 4)},
        {"own_negatives": torch.ones(2, 3, 1)},
        {"own_negatives": torch.ones(2, 3, 4), "own_mask": torch.ones(2, 1, dtype=torch.bool)},
    ],
)
def test_exceptions_of_other_rows_are_refused_and_not_broadcast(given: dict[str, Tensor]) -> None:
    rows = torch.randn(2, 4)
    arguments = {"query": rows, "keys": rows, "scale": torch.tensor(5.0), "positive": torch.eye(2, dtype=torch.bool)}
    with pytest.raises(ValueError, match="do not fit|of their own"):
        row_contrast(**(arguments | given))


@pytest.mark.parametrize("name", PAIRED)
def test_sides_of_different_sizes_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ .*[;,] .*\w+"):
        LOSSES[name](torch.randn(3, 4), torch.randn(2, 4), torch.arange(3), 10.0)
