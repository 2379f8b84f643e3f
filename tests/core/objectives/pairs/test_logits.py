"""Logit builders: cosines at any length and precision, and the best of several queries."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import best_query_logits, cosine_logits


def test_lengths_do_not_matter_and_the_scale_multiplies() -> None:
    a, b = torch.randn(3, 4), torch.randn(5, 4)
    logits = cosine_logits(a, b, torch.tensor(10.0))
    assert logits.shape == (3, 5) and float(logits.abs().max()) <= 10.0001
    assert torch.allclose(cosine_logits(7 * a, 0.1 * b, 10.0), logits, atol=1e-5)
    assert torch.allclose(cosine_logits(a, a).diagonal(), torch.ones(3))


def test_a_row_of_zeros_is_like_nothing_and_its_gradient_is_finite() -> None:
    a = torch.zeros(1, 4, requires_grad=True)
    logits = cosine_logits(a, torch.randn(2, 4))
    logits.sum().backward()
    assert bool((logits == 0).all()) and a.grad is not None and bool(torch.isfinite(a.grad).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_scored_in_single(dtype: torch.dtype) -> None:
    a, b = torch.randn(3, 64).to(dtype), torch.randn(5, 64).to(dtype)
    expected = cosine_logits(a.float(), b.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cosine_logits(a, b)
    assert found.dtype == torch.float32 and torch.equal(found, expected)


def test_expanded_and_strided_rows_are_as_good_as_dense_ones() -> None:
    a, b = torch.randn(4, 1).t().expand(3, 4), torch.randn(4, 5).t()
    assert torch.allclose(cosine_logits(a, b), cosine_logits(a.contiguous(), b.contiguous()), atol=1e-6)


def test_a_sample_scores_by_its_best_query() -> None:
    queries = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[-1.0, 0.0], [0.0, -1.0]]])
    logits = best_query_logits(queries, torch.tensor([[0.0, 3.0], [1.0, 1.0]]), 2.0)
    root = 2**0.5
    assert torch.allclose(logits, torch.tensor([[2.0, root], [0.0, -root]]), atol=1e-6)
    one = torch.randn(3, 1, 4)
    assert torch.allclose(best_query_logits(one, one[:, 0]), cosine_logits(one[:, 0], one[:, 0]))


def test_the_best_query_alone_has_a_gradient() -> None:
    queries = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(best_query_logits, (queries, keys))
    (gradient,) = torch.autograd.grad(best_query_logits(queries, keys).sum(), queries)
    assert (gradient.abs().sum(2) > 0).sum(1).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(2, 3), "are empty"),
        (torch.zeros(2, 3), torch.zeros(2, 4), "3 dimensions and b have 4"),
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3), "floating matrix"),
    ],
)
def test_what_cannot_be_compared_is_refused(a: torch.Tensor, b: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cosine_logits(a, b)


def test_no_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="with at least one each"):
        best_query_logits(torch.zeros(2, 0, 3), torch.zeros(2, 3))
