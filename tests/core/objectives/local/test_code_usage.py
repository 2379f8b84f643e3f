from __future__ import annotations

import pytest
import torch

from crossmod.objectives.local.code_usage import CodeUsage, code_diversity_loss, code_perplexity


def test_perplexity_counts_the_codes_in_effect() -> None:
    assert float(code_perplexity(torch.full((32,), 5))) == pytest.approx(32)
    assert float(code_perplexity(torch.tensor([0, 9, 0]))) == pytest.approx(1)
    assert float(code_perplexity(torch.tensor([7, 7, 0]))) == pytest.approx(2)
    assert float(code_perplexity(torch.zeros(4))) == 1


def test_usage_counts_distinct_codes_over_batches() -> None:
    usage = CodeUsage(8, groups=2)
    usage.update(torch.tensor([[[0, 7], [1, 7]]]))
    usage.update(torch.tensor([[[1, 7], [2, 6]]]), torch.tensor([[True, False]]))
    assert usage.used().tolist() == [2, 1]
    assert usage.counts[0].tolist() == [1, 2, 0, 0, 0, 0, 0, 0]
    other = CodeUsage(8, groups=2)
    other.load_state_dict(usage.state_dict())
    assert torch.equal(other.perplexity(), usage.perplexity())
    usage.reset()
    assert usage.used().tolist() == [0, 0]
    usage.update(torch.zeros(0, 3, 2, dtype=torch.int64))
    assert usage.used().tolist() == [0, 0]


def test_diversity_is_zero_for_uniform_use_and_largest_for_one_code() -> None:
    groups, codes = 2, 100
    assert float(code_diversity_loss(torch.full((groups, codes), 1 / codes))) == pytest.approx(0, abs=1e-5)
    collapsed = torch.zeros(groups, codes)
    collapsed[:, 3] = 1
    assert float(code_diversity_loss(collapsed)) == pytest.approx((groups * codes - groups) / (groups * codes))


def test_its_gradient_is_that_of_finite_differences_and_finite_at_zero() -> None:
    logits = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: code_diversity_loss(x.softmax(1)), logits)
    collapsed = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    code_diversity_loss(collapsed).backward()
    assert torch.isfinite(collapsed.grad).all()
