from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.patches import standardise_patches
from crossmod.objectives.local.reconstruction import (
    absolute_error,
    chamfer_error,
    code_error,
    masked_reconstruction_loss,
    quantile_error,
    squared_error,
)

HIDDEN = torch.tensor([[True, False, True, True], [False, True, False, False]])


def test_the_loss_is_that_of_a_loop() -> None:
    prediction, target = torch.randn(2, 2, 4, 6)
    total, count, means = 0.0, 0, []
    for b in range(2):
        errors = [float((prediction[b, i] - target[b, i]).square().mean()) for i in range(4) if HIDDEN[b, i]]
        total, count = total + sum(errors), count + len(errors)
        means.append(sum(errors) / len(errors))
    scores = {
        name: float(masked_reconstruction_loss(prediction, target, HIDDEN, reduction=name))
        for name in ("token", "sample", "sum")
    }
    assert scores["token"] == pytest.approx(total / count, rel=1e-5)
    assert scores["sample"] == pytest.approx(sum(means) / 2, rel=1e-5)
    assert scores["sum"] == pytest.approx(total, rel=1e-5)
    assert abs(scores["token"] - scores["sample"]) > 1e-4, "the counts differ, so the means do"


def test_a_sample_with_nothing_hidden_is_passed_over() -> None:
    hidden = HIDDEN.clone()
    hidden[1] = False
    prediction, target = torch.randn(2, 2, 4, 6)
    both = [float(masked_reconstruction_loss(prediction, target, hidden, reduction=r)) for r in ("token", "sample")]
    assert both[0] == pytest.approx(both[1], rel=1e-6)


def test_visible_tokens_reach_neither_loss_nor_gradient() -> None:
    prediction, target = torch.randn(2, 4, 6, requires_grad=True), torch.randn(2, 4, 6)
    broken = torch.where(HIDDEN[..., None], target, torch.nan)
    loss = masked_reconstruction_loss(prediction, broken, HIDDEN)
    loss.backward()
    assert torch.isfinite(loss)
    assert (prediction.grad[~HIDDEN] == 0).all() and (prediction.grad[HIDDEN] != 0).all()


def test_standardised_targets_cost_a_zero_prediction_nearly_one() -> None:
    target = standardise_patches(torch.randn(2, 4, 48, dtype=torch.float64))
    loss = masked_reconstruction_loss(torch.zeros_like(target), target, HIDDEN)
    assert float(loss) == pytest.approx(47 / 48, rel=1e-4)
    assert float(masked_reconstruction_loss(target, target, HIDDEN)) == 0


ERRORS = {
    "square": (squared_error, (6,), torch.randn(2, 4, 6, dtype=torch.float64)),
    "absolute": (absolute_error, (6,), torch.randn(2, 4, 6, dtype=torch.float64)),
    "code": (code_error, (6,), torch.randint(6, (2, 4))),
    "chamfer": (chamfer_error, (5, 3), torch.randn(2, 4, 7, 3, dtype=torch.float64)),
    "quantile": (quantile_error([0.1, 0.5, 0.9]), (6, 3), torch.randn(2, 4, 6, dtype=torch.float64)),
}


@pytest.mark.parametrize("reduction", ["token", "sample", "sum"])
@pytest.mark.parametrize("name", ERRORS)
def test_gradients_are_those_of_finite_differences(name: str, reduction: str) -> None:
    error, shape, target = ERRORS[name]
    prediction = torch.randn(2, 4, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: masked_reconstruction_loss(x, target, HIDDEN, error, reduction), prediction
    )


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_in_single(name: str, dtype: torch.dtype) -> None:
    error, shape, target = ERRORS[name]
    prediction = torch.randn(2, 4, *shape).to(dtype)
    low = masked_reconstruction_loss(prediction, target, HIDDEN, error)
    high = masked_reconstruction_loss(prediction.double(), target, HIDDEN, error)
    assert low.dtype == torch.float32
    assert float(low) == pytest.approx(float(high), rel=1e-5)


@pytest.mark.parametrize("batch", [0, 1])
@pytest.mark.parametrize("name", ERRORS)
def test_nothing_hidden_is_a_zero_with_gradient(name: str, batch: int) -> None:
    error, shape, target = ERRORS[name]
    prediction = torch.randn(batch, 4, *shape, requires_grad=True)
    for reduction in ("token", "sample", "sum"):
        loss = masked_reconstruction_loss(
            prediction, target[:batch], torch.zeros(batch, 4, dtype=torch.bool), error, reduction
        )
        (gradient,) = torch.autograd.grad(loss, prediction)
        assert float(loss.detach()) == 0 and not gradient.any()


def test_chamfer_has_its_closed_forms() -> None:
    a = torch.randn(3, 8, 3, dtype=torch.float64)
    b = torch.randn(3, 5, 3, dtype=torch.float64)
    assert (chamfer_error(a, a) == 0).all()
    assert torch.allclose(chamfer_error(a, b), chamfer_error(b, a))
    assert torch.allclose(chamfer_error(3 * a, 3 * b), 9 * chamfer_error(a, b))
    shift = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)
    assert torch.allclose(chamfer_error(a[:, :1], a[:, :1] + shift), torch.full((3,), 18.0, dtype=torch.float64))
    assert torch.allclose(chamfer_error(a + shift, b + shift), chamfer_error(a, b))
    assert torch.allclose(chamfer_error(a[:, torch.randperm(8)], b[:, torch.randperm(5)]), chamfer_error(a, b))


def test_the_median_costs_half_the_absolute_error_and_the_minimiser_is_the_quantile() -> None:
    prediction, target = torch.randn(2, 5, 6)
    half = quantile_error([0.5])(prediction[..., None], target)
    assert torch.allclose(half, absolute_error(prediction, target) / 2)
    sample = torch.randn(1001, generator=torch.Generator().manual_seed(0))
    candidates = sample.sort().values
    for level in (0.1, 0.9):
        costs = quantile_error([level])(candidates[:, None, None].expand(-1, 1001, 1), sample.expand(1001, -1))
        best = float(candidates[costs.argmin()])
        assert best == pytest.approx(float(sample.quantile(level)), abs=1e-5)
    with pytest.raises(ValueError, match="levels"):
        quantile_error([0.0])


@given(batch=st.integers(1, 3), other=st.integers(1, 3))
def test_shapes_that_differ_are_refused(batch: int, other: int) -> None:
    prediction, target = torch.zeros(batch, 4, 2), torch.zeros(other, 4, 2)
    hidden = torch.ones(batch, 4, dtype=torch.bool)
    if batch == other:
        assert float(masked_reconstruction_loss(prediction, target, hidden)) == 0
        with pytest.raises(ValueError, match="reduction"):
            masked_reconstruction_loss(prediction, target, hidden, reduction="mean")
    else:
        with pytest.raises(ValueError, match="same tokens"):
            masked_reconstruction_loss(prediction, target, hidden)


def test_expanded_and_strided_tensors_give_the_same() -> None:
    prediction, target = torch.randn(2, 6, 4).transpose(1, 2), torch.randn(1, 4, 6).expand(2, 4, 6)
    loss = masked_reconstruction_loss(prediction, target, HIDDEN)
    assert torch.equal(loss, masked_reconstruction_loss(prediction.contiguous(), target.contiguous(), HIDDEN))


def test_a_hidden_value_that_is_not_finite_is_not_swallowed() -> None:
    prediction, target = torch.zeros(2, 4, 6), torch.zeros(2, 4, 6)
    target[0, 0, 0] = torch.nan
    assert torch.isnan(masked_reconstruction_loss(prediction, target, HIDDEN))
