"""Late interaction as a loss: check 1 of the sheet filip, 4 of the sheet wukong."""

from __future__ import annotations

import pytest
import torch

from crossmod.objectives.pairs import LateInteractionLoss, TokenSet, best_matched, late_interaction
from crossmod.objectives.pairs.soft_targets import soft_target_infonce
from crossmod.objectives.pairs.targets import from_groups
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import infonce


def _set(batch: int, length: int) -> TokenSet:
    mask = torch.rand(batch, length) > 0.4
    mask[:, 0] = True
    return TokenSet(torch.randn(batch, length, 6, requires_grad=True), mask)


def test_one_token_a_side_is_clip() -> None:
    a, b = torch.randn(2, 5, 6)
    sides = [TokenSet(x[:, None], torch.ones(5, 1, dtype=torch.bool)) for x in (a, b)]
    assert torch.allclose(LateInteractionLoss()(*sides).loss, infonce(a, b, torch.tensor(1 / 0.07)), atol=1e-5)


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
    loss = LateInteractionLoss(**options)  # type: ignore[arg-type]
    loss(a, b).loss.backward()
    for value in (a.tokens, b.tokens, loss.scale.log_scale):
        assert value.grad is not None and bool(value.grad.any()) and bool(torch.isfinite(value.grad).all())


def test_sides_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="pair i is positive"):
        LateInteractionLoss()(_set(3, 2), _set(4, 2))
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        LateInteractionLoss(kept_share=0.0)
