"""The primitive and its kernels: sheets clip-infonce (1 to 4) and cwcl (3), closed forms, gradients, agreement."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from crossmod.objectives.pairs import (
    continuous_targets,
    cosine_logits,
    from_groups,
    identity,
    soft_cross_entropy,
    soft_target_infonce,
)
from crossmod_kernels import cwcl, infonce, soft_target_infonce_reference


def _pair(batch: int = 6, keys: int = 6, dim: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    a, b = torch.randn(batch, dim, dtype=torch.float64), torch.randn(keys, dim, dtype=torch.float64)
    return a.requires_grad_(), b.requires_grad_(), torch.tensor(3.0, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_equal_logits_cost_the_logarithm_of_the_batch(batch: int) -> None:
    logits = torch.zeros(batch, batch)
    targets = from_groups(torch.randint(0, 2, (batch,)), like=logits)
    parts = soft_target_infonce(logits, logits, targets, targets)
    assert [float(part) for part in parts] == pytest.approx([math.log(batch)] * 3, abs=1e-6)


def test_separated_pairs_at_scale_100_cost_nothing() -> None:
    logits = 100 * torch.eye(8)
    targets = identity(8, like=logits)
    assert float(soft_target_infonce(logits, logits.t(), targets, targets).loss) < 1e-4


def test_the_gradient_is_softmax_minus_target_over_the_batch() -> None:
    logits = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(5, 7, dtype=torch.float64).softmax(1)
    soft_cross_entropy(logits, targets).backward()
    expected = (logits.softmax(1) - targets).detach() / 5
    assert logits.grad is not None and torch.allclose(logits.grad, expected, atol=1e-12)


def test_gradients_match_finite_differences_with_masks_and_two_matrices() -> None:
    logits_ab, logits_ba = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 5), (4, 6)))
    mask_ab, mask_ba = torch.rand(3, 5) > 0.4, torch.rand(4, 6) > 0.4
    mask_ab[:, 0], mask_ba[:, 1] = True, True
    targets = [mask.double() / mask.sum(1, keepdim=True) for mask in (mask_ab, mask_ba)]
    assert gradcheck(
        lambda ab, ba: soft_target_infonce(ab, ba, *targets, mask_ab, mask_ba).loss, (logits_ab, logits_ba)
    )


def test_is_the_kernels_dense_reference_where_masks_are_transposed() -> None:
    logits_ab, logits_ba = torch.randn(4, 5), torch.randn(5, 4)
    mask = torch.rand(4, 5) > 0.3
    mask[torch.arange(4), torch.arange(4)] = mask[:, 4] = True
    targets_ab, targets_ba = mask / mask.sum(1, keepdim=True), (mask / mask.sum(0)).t()
    found = soft_target_infonce(logits_ab, logits_ba, targets_ab, targets_ba, mask, mask.t()).loss
    assert torch.equal(found, soft_target_infonce_reference(logits_ab, logits_ba, targets_ab, targets_ba, mask))


def test_a_masked_pair_has_no_influence_and_no_gradient() -> None:
    logits = torch.randn(4, 4, requires_grad=True)
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0, 3] = False
    changed = logits.detach().clone()
    changed[0, 3] = 1e4
    targets = identity(4, like=logits)
    loss = soft_cross_entropy(logits, targets, mask)
    loss.backward()
    assert torch.equal(loss.detach(), soft_cross_entropy(changed, targets, mask))
    assert logits.grad is not None and logits.grad[0, 3] == 0 and logits.grad[0, :3].abs().min() > 0


def test_targets_are_constants() -> None:
    targets = torch.full((2, 2), 0.5, requires_grad=True)
    logits = torch.randn(2, 2, requires_grad=True)
    soft_cross_entropy(logits, targets).backward()
    assert targets.grad is None and logits.grad is not None


@pytest.mark.parametrize("grouped", [False, True])
def test_the_infonce_kernel_gives_value_and_gradients_without_the_matrix(grouped: bool) -> None:
    a, b, scale = _pair()
    group = torch.tensor([0, 1, 0, 2, 2, 2]) if grouped else None
    logits = cosine_logits(a, b, scale)
    targets = from_groups(group, like=logits) if group is not None else identity(6, like=logits)
    dense = soft_target_infonce(logits, logits.t(), targets, targets).loss
    saving = infonce(a, b, scale, group_a=group)
    assert torch.allclose(dense, saving, atol=1e-12)
    for x, y in zip(*(torch.autograd.grad(loss, (a, b, scale)) for loss in (dense, saving)), strict=True):
        assert torch.allclose(x, y, atol=1e-10)


def test_the_infonce_kernel_runs_over_queued_keys() -> None:
    a, b, scale = _pair(4, 9)
    logits = cosine_logits(a, b, scale)
    own = logits[:, :4].t()
    dense = soft_target_infonce(logits, own, identity(4, 9, like=logits), identity(4, like=logits)).loss
    assert torch.allclose(dense, infonce(a, b, scale), atol=1e-12)


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_the_cwcl_kernel_gives_continuous_targets(power: float) -> None:
    a, b, scale = _pair()
    source = torch.randn(6, 5, dtype=torch.float64)
    logits = cosine_logits(a, b, scale)
    weights = continuous_targets(source, power=power)
    dense = soft_target_infonce(logits, logits.t(), weights, identity(6, like=logits))
    assert torch.allclose(dense.loss_ab + dense.loss_ba, cwcl(a, b, scale, source_ab=source, power=power), atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(1, 6), groups=st.integers(1, 4), scale=st.sampled_from([1.0, 14.3, 100.0]), seed=st.integers())
def test_any_grouping_is_finite_symmetric_and_order_free(batch: int, groups: int, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed % 2**32)
    a, b = torch.randn(2, batch, 3, generator=generator, dtype=torch.float64)
    group = torch.randint(0, groups, (batch,), generator=generator)
    order = torch.randperm(batch, generator=generator)

    def loss(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor) -> float:
        logits = cosine_logits(a, b, scale)
        targets = from_groups(group, like=logits)
        return float(soft_target_infonce(logits, logits.t(), targets, targets).loss)

    value = loss(a, b, group)
    assert math.isfinite(value) and value >= 0
    assert loss(b, a, group) == pytest.approx(value, abs=1e-9)
    assert loss(a[order], b[order], group[order]) == pytest.approx(value, abs=1e-9)
    assert loss(7 * a, b, group) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_scored_in_single(dtype: torch.dtype) -> None:
    logits = (100 * torch.randn(6, 6)).to(dtype)
    targets = identity(6, like=logits)
    loss = soft_target_infonce(logits, logits.t(), targets, targets).loss
    assert loss.dtype == torch.float32 and bool(torch.isfinite(loss))
    assert torch.equal(loss, soft_target_infonce(logits.float(), logits.float().t(), targets, targets).loss)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_broken_logit_gives_a_loss_that_is_no_number(value: float) -> None:
    logits = torch.zeros(3, 3)
    logits[1, 2] = value
    assert bool(soft_cross_entropy(logits, identity(3, like=logits)).isnan())


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((0, 0), (0, 0), None), "skip empty batches"),
        (((2, 3), (2, 2), None), "targets have shape"),
        (((2, 2), (2, 2), (3, 2)), "the mask have shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...] | None, ...], message: str) -> None:
    logits, targets = (torch.ones(shape) for shape in shapes[:2] if shape is not None)
    mask = None if shapes[2] is None else torch.ones(shapes[2], dtype=torch.bool)
    with pytest.raises(ValueError, match=message):
        soft_cross_entropy(logits, targets, mask)


def test_a_fully_masked_row_and_targets_that_are_no_distribution_are_refused() -> None:
    logits, mask = torch.zeros(2, 2), torch.tensor([[True, True], [False, False]])
    with pytest.raises(ValueError, match="row 1 no pair"):
        soft_cross_entropy(logits, torch.eye(2), mask)
    with pytest.raises(ValueError, match="b -> a: targets are no distribution"):
        soft_target_infonce(logits, logits, torch.eye(2), 2 * torch.eye(2))
    with pytest.raises(ValueError, match="weigh a pair that the mask forbids"):
        soft_cross_entropy(logits, torch.eye(2), ~torch.eye(2, dtype=torch.bool))
