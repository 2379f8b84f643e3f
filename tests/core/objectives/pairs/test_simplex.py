"""Sparsemax against its definition: the closest point of the simplex (sheet fdt, check 1)."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from crossmod.objectives.pairs import sparsemax


@pytest.mark.parametrize(
    ("scores", "weights"),
    [
        ([0.1, 0.1, 0.1], [1 / 3] * 3),
        ([3.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([1.0, 0.8, 0.1], [0.6, 0.4, 0.0]),
        ([-5.0], [1.0]),
        ([1e30, 1e30, 0.0], [0.5, 0.5, 0.0]),
        ([0.5, -math.inf, 0.5], [0.5, 0.0, 0.5]),
    ],
)
def test_closed_forms(scores: list[float], weights: list[float]) -> None:
    assert torch.allclose(sparsemax(torch.tensor(scores)), torch.tensor(weights), atol=1e-6)


def _by_bisection(scores: torch.Tensor) -> torch.Tensor:
    low, high = scores.max() - 1, scores.max()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if (scores - middle).clamp(min=0).sum() > 1 else (low, middle)
    return (scores - low).clamp(min=0)


@settings(max_examples=60, deadline=None)
@given(scores=st.lists(st.floats(-50, 50), min_size=1, max_size=12), shift=st.floats(-100, 100))
def test_is_the_projection_onto_the_simplex(scores: list[float], shift: float) -> None:
    values = torch.tensor(scores, dtype=torch.float64)
    weights = sparsemax(values)
    assert bool((weights >= 0).all()) and float(weights.sum()) == pytest.approx(1, abs=1e-9)
    assert torch.allclose(weights, _by_bisection(values), atol=1e-9)
    assert torch.allclose(sparsemax(values + shift), weights, atol=1e-9)
    order = torch.randperm(len(scores))
    assert torch.allclose(sparsemax(values[order]), weights[order], atol=1e-12)


def test_first_and_second_derivatives_match_finite_differences() -> None:
    # Spread far enough that no finite difference crosses a change of support.
    scores = torch.tensor([[1.0, 0.7, 0.1, -2.0], [0.3, 0.31, 0.32, 0.33]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(sparsemax, (scores,))
    assert gradgradcheck(sparsemax, (scores,))


def test_the_gradient_off_the_support_is_zero_and_sums_to_zero_on_it() -> None:
    scores = torch.tensor([1.0, 0.8, 0.1], requires_grad=True)
    (gradient,) = torch.autograd.grad(sparsemax(scores)[0], scores)
    assert torch.allclose(gradient, torch.tensor([0.5, -0.5, 0.0]))


def test_any_shape_and_stride_works_along_the_last_dimension() -> None:
    scores = torch.randn(5, 3, 2).transpose(0, 2)
    weights = sparsemax(scores)
    assert weights.shape == (2, 3, 5) and torch.allclose(weights.sum(-1), torch.ones(2, 3))
    assert torch.allclose(weights[1, 2], sparsemax(scores[1, 2].contiguous()))
    assert sparsemax(torch.zeros(0, 4)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    scores = (torch.randn(2, 3000) / 1000).to(dtype)
    weights = sparsemax(scores)
    assert weights.dtype == torch.float32 and torch.allclose(weights.sum(1), torch.ones(2), atol=1e-5)


def test_not_a_number_stays_in_its_row() -> None:
    weights = sparsemax(torch.tensor([[math.nan, 0.0], [1.0, 0.0]]))
    assert bool(weights[0].isnan().any()) and weights[1].tolist() == [1.0, 0.0]


def test_nothing_to_choose_is_refused() -> None:
    with pytest.raises(ValueError, match="-inf throughout"):
        sparsemax(torch.tensor([[0.0, 1.0], [-math.inf, -math.inf]]))
    with pytest.raises(ValueError, match="floating choices"):
        sparsemax(torch.zeros(3, 0))
