"""Late interaction as a loss and an objective: check 1 of the sheet filip, 4 of the sheet wukong."""

from __future__ import annotations

import pytest
import torch

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features
from crossmod.objectives.pairs import (
    LateInteractionLoss,
    LateInteractionObjective,
    TokenReducer,
    TokenSet,
    best_matched,
    late_interaction,
)
from crossmod.objectives.pairs.soft_targets import soft_target_infonce
from crossmod.objectives.pairs.targets import from_groups
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import infonce


def _set(batch: int, length: int) -> TokenSet:
    mask = torch.rand(batch, length) > 0.4
    mask[:, 0] = True
    return TokenSet(torch.randn(batch, length, 6, requires_grad=True), mask)


def test_one_token_a_side_is_clip() -> None:
    a, b = torch.randn(2, 5, 6, dtype=torch.float64)
    sides = [TokenSet(x[:, None], torch.ones(5, 1, dtype=torch.bool)) for x in (a, b)]
    loss = LateInteractionLoss()
    assert torch.allclose(loss(*sides).loss, infonce(a, b, loss.scale()), atol=1e-9)


def test_several_captions_of_an_image_share_the_target() -> None:
    a, b, group = _set(4, 3), _set(4, 5), torch.tensor([0, 1, 0, 2])
    scores = late_interaction(a.tokens, b.tokens, a.mask, b.mask)
    targets = from_groups(group, like=scores.ab)
    expected = soft_target_infonce(5 * scores.ab, 5 * scores.ba, targets, targets)
    found = LateInteractionLoss(LogitScale(5.0))(a, b, group)
    assert torch.allclose(found.loss, expected.loss, atol=1e-6)
    assert torch.allclose(found.terms["loss_ab"], expected.loss_ab, atol=1e-6)
    assert set(found.terms) == {"loss", "loss_ab", "loss_ba", "scale"}


def test_anchors_stay_complete_when_partners_are_selected() -> None:
    a, b = _set(4, 8), _set(4, 6)
    found = LateInteractionLoss(LogitScale(5.0), kept_share=0.25)(a, b)
    few_a, few_b = best_matched(a, b, 0.25), best_matched(b, a, 0.25)
    ab = late_interaction(a.tokens, few_b.tokens, a.mask, few_b.mask).ab
    ba = late_interaction(few_a.tokens, b.tokens, few_a.mask, b.mask).ba
    eye = torch.eye(4)
    assert torch.allclose(found.loss, soft_target_infonce(5 * ab, 5 * ba, eye, eye).loss, atol=1e-6)
    whole = late_interaction(a.tokens, b.tokens, a.mask, b.mask)
    assert bool((ab <= whole.ab + 1e-6).all()) and not torch.allclose(ab, whole.ab, atol=1e-3)


@pytest.mark.parametrize("options", [{"chunk_size": 2}, {"kept_share": 0.5}, {"similarity_dtype": torch.bfloat16}])
def test_every_option_trains_tokens_and_temperature(options: dict[str, object]) -> None:
    a, b = _set(4, 3), _set(4, 5)
    loss = LateInteractionLoss(**options)
    loss(a, b).loss.backward()
    for value in (a.tokens, b.tokens, loss.scale.log_scale):
        assert value.grad is not None and bool(value.grad.any()) and bool(torch.isfinite(value.grad).all())


def test_sides_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="pair i is positive"):
        LateInteractionLoss()(_set(3, 2), _set(4, 2))
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        LateInteractionLoss(kept_share=0.0)


class Given:
    """Forwards whose features are at hand."""

    def __init__(self, **features: Features) -> None:
        self.given = features

    def features(self, modality: str) -> Features:
        return self.given[modality]


@pytest.mark.parametrize("reduced", [False, True])
def test_the_objective_is_filip_on_projected_tokens_and_wukong_when_they_are_reduced(reduced: bool) -> None:
    a, b = _set(4, 6), _set(4, 5)
    reducer = TokenReducer(8, 2, groups=2) if reduced else None
    objective = LateInteractionObjective(
        "a", "b", (6, 6), 8, LateInteractionLoss(LogitScale(5.0)), skip=(1, 0), reducers=(reducer, None)
    )
    present, rows = torch.ones(4, dtype=torch.bool), torch.arange(4)
    mask_a = torch.ones(4, 6, dtype=torch.bool)
    forwards = Given(a=Features(a.tokens[:, 0], a.tokens, mask_a), b=Features(b.tokens[:, 0], b.tokens, b.mask))
    found = objective(forwards, Batch({}, {"a": present, "b": present}, rows, rows))
    # [CLS] is left out; where nothing is reduced the rest is FILIP's own.
    projected = objective.project_a(a.tokens[:, 1:])
    if reducer is not None:
        projected = reducer(projected).tokens
        assert projected.shape == (4, 2, 8)
    sides = (
        TokenSet(projected, torch.ones(projected.shape[:2], dtype=torch.bool)),
        TokenSet(objective.project_b(b.tokens), b.mask),
    )
    assert torch.equal(found.loss, LateInteractionLoss(LogitScale(5.0))(*sides, rows).loss)
