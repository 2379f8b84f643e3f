"""The dense primitive against torch's own cross-entropy, its masks, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch

from crossmod_kernels import soft_target_infonce_reference

DOUBLE = torch.float64


def random_logits(rows=4, columns=5, seed=0):
    return torch.randn(rows, columns, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def test_two_different_matrices_and_soft_targets_equal_torch():
    ab, ba = random_logits(4, 5), random_logits(5, 4, seed=1)
    targets_ab, targets_ba = random_logits(4, 5, seed=2).softmax(1), random_logits(5, 4, seed=3).softmax(1)
    found = soft_target_infonce_reference(ab, ba, targets_ab, targets_ba)
    cross_entropy = torch.nn.functional.cross_entropy
    torch.testing.assert_close(found, (cross_entropy(ab, targets_ab) + cross_entropy(ba, targets_ba)) / 2)


def test_a_forbidden_pair_is_as_if_it_were_not_there(value_and_gradients):
    logits = random_logits(3, 3)
    mask = torch.ones(3, 3, dtype=torch.bool)
    mask[0, 2] = False
    eye = torch.eye(3, dtype=DOUBLE)
    found, gradient = value_and_gradients(lambda z: soft_target_infonce_reference(z, z.t(), eye, eye, mask), logits)
    kept_row, kept_column = logits[0, :2], logits[1:, 2]
    rows = [kept_row.logsumexp(0) - logits[0, 0], *(logits[i].logsumexp(0) - logits[i, i] for i in (1, 2))]
    columns = [*(logits[:, j].logsumexp(0) - logits[j, j] for j in (0, 1)), kept_column.logsumexp(0) - logits[2, 2]]
    expected = (torch.stack(rows).mean() + torch.stack(columns).mean()) / 2
    torch.testing.assert_close(found, expected)
    assert gradient[0, 2] == 0 and bool(gradient.isfinite().all())


def test_targets_get_no_gradient_and_the_loss_is_twice_differentiable():
    logits = random_logits(3, 3).requires_grad_()
    targets = random_logits(3, 3, seed=4).softmax(1).requires_grad_()
    eye = torch.eye(3, dtype=DOUBLE)
    soft_target_infonce_reference(logits, logits.t(), targets, eye).backward()
    assert targets.grad is None
    assert torch.autograd.gradgradcheck(
        lambda z: soft_target_infonce_reference(z, z.t(), eye, eye), (logits.detach().requires_grad_(),)
    )


def test_equal_logits_cost_the_logarithm_of_what_is_allowed():
    zeros, eye = torch.zeros(4, 4), torch.eye(4)
    mask = torch.eye(4, dtype=torch.bool) | torch.eye(4, dtype=torch.bool).roll(1, 1)
    assert soft_target_infonce_reference(zeros, zeros, eye, eye, mask).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": torch.tensor([[True, True], [False, False]])}, "row 1 no pair"),
        (
            {
                "mask": torch.tensor([[True, False], [True, False]]),
                "targets_ab": torch.tensor([[1.0, 0.0], [1.0, 0.0]]),
            },
            "direction b -> a: the mask allows row 1",
        ),
        ({"mask": torch.tensor([[False, True], [True, True]])}, "a pair that the mask forbids"),
        ({"targets_ab": torch.ones(2, 2)}, "no distribution"),
        ({"targets_ab": torch.tensor([[2.0, -1.0], [0.0, 1.0]])}, "no distribution"),
        ({"targets_ba": torch.ones(2, 3)}, "shape"),
        ({"mask": torch.ones(3, 2, dtype=torch.bool)}, "shape"),
        ({"logits_ab": torch.zeros(0, 2)}, "at least one pair"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(change, words):
    eye = torch.eye(2)
    arguments = {"logits_ab": eye, "logits_ba": eye, "targets_ab": eye, "targets_ba": eye, **change}
    with pytest.raises(ValueError, match=words):
        soft_target_infonce_reference(**arguments)
