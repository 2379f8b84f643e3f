"""1-to-K contrast: checks 1, 2, 3 and 6 of the sheet one-to-k-contrastive-mrv."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import cosine_logits, from_groups, one_to_many_infonce, soft_target_infonce
from crossmod_kernels import infonce_reference

SCALE = torch.tensor(6.0, dtype=torch.float64)


def _data(rows: int = 3, k: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    a, b = torch.randn(rows, 5, dtype=torch.float64), torch.randn(rows * k, 5, dtype=torch.float64)
    return a, b, torch.arange(rows), torch.arange(rows).repeat_interleave(k)


def test_one_counterpart_each_is_clip() -> None:
    a, b, ids, _ = _data(4, 1)
    found = one_to_many_infonce(a, b, SCALE, ids, ids)
    assert torch.allclose(found.loss, infonce_reference(a, b, SCALE), atol=1e-12)
    assert torch.allclose(one_to_many_infonce(a, b, SCALE, ids, ids, release_compat=True).loss, found.loss)


def test_k_copies_of_each_text_add_the_logarithm_of_k_to_one_direction() -> None:
    a, b, ids, _ = _data(4, 1)
    k = 3
    found = one_to_many_infonce(a, b.repeat_interleave(k, 0), SCALE, ids, ids.repeat_interleave(k))
    one = one_to_many_infonce(a, b, SCALE, ids, ids)
    assert torch.allclose(found.loss_ab, one.loss_ab + math.log(k), atol=1e-10)
    assert torch.allclose(found.loss_ba, one.loss_ba, atol=1e-10)


def test_is_the_primitive_with_grouped_targets_for_ragged_groups_too() -> None:
    a, b = torch.randn(3, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    group_a, group_b = torch.tensor([0, 1, 2]), torch.tensor([2, 0, 1, 0, 0, 2])
    logits = cosine_logits(a, b, SCALE)
    dense = soft_target_infonce(
        logits, logits.t(), from_groups(group_a, group_b, like=logits), from_groups(group_b, group_a, like=logits)
    )
    found = one_to_many_infonce(a, b, SCALE, group_a, group_b)
    assert all(torch.allclose(x, y, atol=1e-12) for x, y in zip(found, dense, strict=True))
    order = torch.randperm(6)
    assert torch.allclose(one_to_many_infonce(a, b[order], SCALE, group_a, group_b[order]).loss, found.loss)


def test_the_released_code_weighs_the_second_direction_less() -> None:
    a, b, ids, texts = _data(3, 4)
    parts = one_to_many_infonce(a, b, SCALE, ids, texts)
    released = one_to_many_infonce(a, b, SCALE, ids, texts, release_compat=True)
    assert torch.allclose(released.loss, (4 * parts.loss_ab + parts.loss_ba) / 8)


def test_gradients_match_finite_differences() -> None:
    a, b, ids, texts = _data()
    inputs = a.requires_grad_(), b.requires_grad_(), SCALE.clone().requires_grad_()
    assert gradcheck(lambda x, y, s: one_to_many_infonce(x, y, s, ids, texts).loss, inputs)


def test_rows_and_keys_without_counterpart_and_ragged_releases_are_refused() -> None:
    a, b, ids, texts = _data()
    with pytest.raises(ValueError, match="key 0 has the group 9"):
        one_to_many_infonce(a, b, SCALE, ids, torch.tensor([9, 0, 1, 1, 2, 2]))
    with pytest.raises(ValueError, match="no.*key|without|positive"):
        one_to_many_infonce(a, b, SCALE, torch.tensor([0, 1, 8]), texts)
    with pytest.raises(ValueError, match=r"they hold \[1, 2, 3\] keys"):
        one_to_many_infonce(a, b, SCALE, ids, torch.tensor([0, 1, 1, 2, 2, 2]), release_compat=True)
