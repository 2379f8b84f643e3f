"""Noise-adaptive contrast: acceptance checks 1 and 2 of the sheet nevlp."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import noise_adaptive_infonce
from crossmod_kernels import infonce

SCALE = torch.tensor(6.0, dtype=torch.float64)


def _pair(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.randn(2, count, 5, dtype=torch.float64)
    return a.requires_grad_(), b.requires_grad_()


def test_without_doubt_or_without_strength_it_is_infonce() -> None:
    a, b = _pair()
    expected = infonce(a, b, SCALE)
    assert torch.allclose(noise_adaptive_infonce(a, b, SCALE, torch.zeros(4)).loss, expected, atol=1e-12)
    assert torch.allclose(noise_adaptive_infonce(a, b, SCALE, torch.ones(4), strength=0.0).loss, expected, atol=1e-12)
    assert torch.allclose(noise_adaptive_infonce(a[:, None], b, SCALE, torch.zeros(4)).loss, expected, atol=1e-12)


def test_a_doubtful_pair_is_pulled_no_further_than_its_trust() -> None:
    posterior = torch.tensor([0.0, 0.4, 0.8, 1.0])
    a, b = _pair()
    from crossmod.objectives.pairs import cosine_logits, doubt_of, identity, noise_smoothed, soft_cross_entropy

    logits = cosine_logits(a, b, SCALE).detach().requires_grad_()
    targets = noise_smoothed(identity(4, like=logits), doubt_of(posterior))
    soft_cross_entropy(logits, targets).backward()
    assert logits.grad is not None
    expected = (logits.detach().softmax(1).diagonal() - (1 - 0.5 * posterior)) / 4
    assert torch.allclose(logits.grad.diagonal(), expected, atol=1e-12)
    assert torch.allclose(
        noise_adaptive_infonce(a, b, SCALE, posterior).loss_ab, soft_cross_entropy(logits, targets), atol=1e-12
    )


@pytest.mark.parametrize("group", [None, torch.tensor([0, 1, 1, 2]), torch.zeros(4, dtype=torch.int64)])
def test_one_vector_a_sample_gives_the_dense_form_without_its_matrix(group: torch.Tensor | None) -> None:
    posterior = torch.tensor([0.0, 0.4, 0.8, 1.0])
    found = []
    for queries in (False, True):
        torch.manual_seed(5)
        a, b = _pair()
        parts = noise_adaptive_infonce(a[:, None] if queries else a, b, SCALE, posterior, group=group)
        found.append([*parts, *torch.autograd.grad(parts.loss, (a, b))])
    assert all(torch.allclose(x, y, atol=1e-9) for x, y in zip(*found, strict=True))


def test_gradients_match_finite_differences() -> None:
    queries = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    posterior = torch.tensor([0.1, 0.9, 0.5])
    assert gradcheck(
        lambda q, k, s: noise_adaptive_infonce(q, k, s, posterior).loss, (queries, keys, SCALE.clone().requires_grad_())
    )


def test_a_batch_of_one_loses_nothing() -> None:
    a, b = _pair(1)
    assert float(noise_adaptive_infonce(a, b, SCALE, torch.ones(1)).loss.detach()) == 0


def test_what_is_no_probability_or_no_pair_is_refused() -> None:
    a, b = _pair()
    with pytest.raises(ValueError, match="outside"):
        noise_adaptive_infonce(a, b, SCALE, torch.tensor([0.1, 0.2, math.nan, 0.3]))
    with pytest.raises(ValueError, match="pair i is positive"):
        noise_adaptive_infonce(a[:2], b, SCALE, torch.zeros(4))
    with pytest.raises(ValueError, match="one a row"):
        noise_adaptive_infonce(a, b, SCALE, torch.zeros(3))
