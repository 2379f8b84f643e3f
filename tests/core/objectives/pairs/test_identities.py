"""Identity-level contrast: acceptance checks 1 to 4 of the sheet plip-person."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import (
    IdentityContrastLoss,
    from_groups,
    identity_contrast,
    projected_logits,
    reverse_divergence,
)
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import infonce

IDS = torch.tensor([4, 9, 4, 7])


def _pair(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.randn(2, count, 5, dtype=torch.float64)
    return a.requires_grad_(), b.requires_grad_()


def test_distinct_identities_are_fitted_by_long_aligned_vectors() -> None:
    eye = torch.eye(4, dtype=torch.float64)
    losses = [float(identity_contrast(s * eye, s * eye, torch.arange(4)).loss) for s in (1.0, 5.0, 20.0, 60.0)]
    assert losses[0] > losses[1] > 1e-4 and all(-1e-6 <= value < 1e-6 for value in losses[2:])


def test_the_prediction_comes_first() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64)
    targets = torch.rand(3, 4, dtype=torch.float64).softmax(1)
    prediction = logits.softmax(1)
    expected = (prediction * (prediction / (targets + 1e-8)).log()).sum(1).mean()
    assert torch.allclose(reverse_divergence(logits, targets), expected)
    assert float(reverse_divergence(targets.log(), targets)) == pytest.approx(0, abs=1e-6)


def test_mass_on_a_wrong_pair_costs_the_logarithm_of_epsilon() -> None:
    logits = torch.tensor([[-1e4, 0.0]])
    assert float(reverse_divergence(logits, torch.tensor([[1.0, 0.0]]))) == pytest.approx(-math.log(1e-8), rel=1e-5)


def test_samples_of_one_identity_may_be_swapped() -> None:
    a, b = _pair()
    order = [2, 1, 0, 3]
    assert torch.allclose(identity_contrast(a, b, IDS).loss, identity_contrast(a, b[order], IDS).loss)


def test_only_the_target_side_is_normalised_without_a_scale() -> None:
    a, b = _pair()
    assert torch.allclose(projected_logits(a, 3 * b), projected_logits(a, b))
    assert torch.allclose(projected_logits(3 * a, b), 3 * projected_logits(a, b))


def test_cross_entropy_is_the_shared_infonce() -> None:
    a, b = _pair()
    scale = torch.tensor(7.0, dtype=torch.float64)
    found = identity_contrast(a, b, IDS, scale=scale, divergence="cross-entropy")
    assert torch.allclose(found.loss / 2, infonce(a, b, scale, group_a=IDS), atol=1e-12)


def test_released_targets_can_make_the_loss_negative() -> None:
    same = torch.ones(2, 3, dtype=torch.float64)
    ids = torch.tensor([1, 1])
    assert float(identity_contrast(same, same, ids).loss) == pytest.approx(0, abs=1e-6)
    released = identity_contrast(same, same, ids, target_norm="l2").loss
    assert float(released) == pytest.approx(-math.log(2), abs=1e-6)
    assert torch.allclose(from_groups(ids, like=same, norm="l2"), torch.full((2, 2), 0.70710678).double())


@pytest.mark.parametrize("divergence", ["reverse", "cross-entropy"])
def test_gradients_match_finite_differences(divergence: str) -> None:
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert gradcheck(
        lambda a, b, s: identity_contrast(a, b, IDS, scale=s, divergence=divergence).loss,
        (*_pair(), scale),
    )
    assert gradcheck(lambda a, b: identity_contrast(a, b, IDS).loss, _pair())


def test_the_module_scores_scaled_cosines() -> None:
    a, b = (x.float() for x in _pair())
    found = IdentityContrastLoss(LogitScale(5.0))(a, b, IDS)
    assert torch.allclose(found.loss, identity_contrast(a, b, IDS, scale=torch.tensor(5.0)).loss)
    assert set(found.terms) == {"loss", "loss_ab", "loss_ba", "scale"}


def test_what_does_not_fit_is_refused() -> None:
    a, b = _pair()
    with pytest.raises(ValueError, match="pass one id each"):
        identity_contrast(a, b, IDS[:2])
    with pytest.raises(ValueError, match="cross-entropy|no distribution"):
        identity_contrast(a, b, IDS, divergence="cross-entropy", target_norm="l2")
    with pytest.raises(ValueError, match="pass one pair"):
        reverse_divergence(torch.zeros(2, 3), torch.zeros(3, 2))
