from __future__ import annotations

import math

import pytest
import torch

from crossmod.errors import UserError
from crossmod.robustness.malicious import farthest_group, malicious_contrastive_loss


def _case():
    generator = torch.Generator().manual_seed(0)

    def unit(rows):
        return torch.nn.functional.normalize(torch.randn(rows, 5, generator=generator, dtype=torch.float64), dim=1)

    return unit(3), unit(5), torch.tensor([0, 2, 1, 1, 0]), unit(4), torch.tensor([1, 0, 2, 2])


@pytest.mark.parametrize("ratio", ["of_sums", "per_sample"])
def test_it_is_the_formula(ratio):
    adversarial, positives, owner, targets, target_owner = _case()
    true, far = [0.0] * 3, [0.0] * 3
    for sums, partners, owners in ((true, positives, owner), (far, targets, target_owner)):
        for partner, i in zip(partners, owners.tolist(), strict=True):
            sums[i] += math.exp(float(adversarial[i] @ partner) / 0.2)
    if ratio == "of_sums":
        expected = math.log((sum(true) / 3) / (sum(true) / 3 + sum(far) / 3))
    else:
        expected = sum(math.log(u / (u + t)) for u, t in zip(true, far, strict=True)) / 3
    found = malicious_contrastive_loss(
        adversarial, positives, owner, targets, target_owner, temperature=0.2, ratio=ratio
    )
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize("ratio", ["of_sums", "per_sample"])
def test_equal_sums_are_worth_the_log_of_one_half(ratio):
    adversarial, positives, owner, _, _ = _case()
    found = malicious_contrastive_loss(adversarial, positives, owner, positives, owner, ratio=ratio)
    assert float(found) == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("ratio", ["of_sums", "per_sample"])
def test_gradients_agree_with_finite_differences(ratio):
    adversarial, positives, owner, targets, target_owner = _case()
    adversarial, positives, targets = (x.requires_grad_(True) for x in (adversarial, positives, targets))

    def loss(a, p, t):
        return malicious_contrastive_loss(a, p, owner, t, target_owner, temperature=0.5, ratio=ratio)

    assert torch.autograd.gradcheck(loss, (adversarial, positives, targets))


def test_descent_leads_to_the_target_and_away_from_the_positives():
    adversarial = torch.tensor([[0.6, 0.8]], requires_grad=True)
    true, far, zero = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([0])
    loss = malicious_contrastive_loss(adversarial, true, zero, far, zero)
    loss.backward()
    step = -adversarial.grad[0]
    assert step[0] < 0 < step[1]
    nearer = malicious_contrastive_loss(torch.tensor([[0.0, 1.0]]), true, zero, far, zero)
    assert nearer < loss


def test_a_low_temperature_stays_finite():
    adversarial, positives, owner, targets, target_owner = (x.float() if x.is_floating_point() else x for x in _case())
    adversarial.requires_grad_(True)
    loss = malicious_contrastive_loss(adversarial, positives, owner, targets, target_owner, temperature=1e-3)
    loss.backward()
    assert bool(torch.isfinite(loss)) and bool(torch.isfinite(adversarial.grad).all())


def test_the_farthest_group_is_the_lowest_mean_and_never_its_own():
    pool = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-0.9, 0.0], [0.0, 1.0]])
    group = torch.tensor([4, 7, 7, 9])
    samples = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert farthest_group(samples, torch.tensor([4, 7]), pool, group).tolist() == [7, 9]


def test_ties_take_the_lowest_group_whatever_the_order_of_the_pool():
    pool, group = torch.ones(5, 2), torch.tensor([9, 3, 5, 3, 8])
    for order in (torch.arange(5), torch.arange(4, -1, -1)):
        found = farthest_group(torch.ones(3, 2), torch.tensor([1, 3, 5]), pool[order], group[order])
        assert found.tolist() == [3, 5, 3]


def test_refusals():
    adversarial, positives, owner, targets, target_owner = _case()
    with pytest.raises(UserError, match="3 samples and 4 targets do not fit"):
        malicious_contrastive_loss(adversarial, positives, owner, targets, target_owner.clamp_max(1))
    with pytest.raises(UserError, match="0 samples"):
        malicious_contrastive_loss(adversarial[:0], positives[:0], owner[:0], targets[:0], owner[:0])
    with pytest.raises(UserError, match="temperature is 0"):
        malicious_contrastive_loss(adversarial, positives, owner, targets, target_owner, temperature=0)
    with pytest.raises(UserError, match="ratio is 'mean'"):
        malicious_contrastive_loss(adversarial, positives, owner, targets, target_owner, ratio="mean")
    with pytest.raises(UserError, match="no group but its own among 2 targets"):
        farthest_group(torch.ones(1, 2), torch.tensor([1]), torch.ones(2, 2), torch.tensor([1, 1]))
    with pytest.raises(UserError, match="embeddings of the samples hold"):
        farthest_group(torch.full((1, 2), float("nan")), torch.tensor([1]), torch.ones(1, 2), torch.tensor([2]))
