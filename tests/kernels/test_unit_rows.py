"""Normalisation and its gradient against autograd's."""

from __future__ import annotations

import pytest
import torch

from crossmod_kernels import unit_rows as module
from crossmod_kernels.unit_rows import EPSILON, through_norms_, unit_rows


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_rows_and_gradient_equal_autograd(chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ROWS", chunk)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    rows[2] = 0.0
    rows[3] *= 1e-12
    upstream = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    leaf = rows.clone().requires_grad_()
    expected = leaf / leaf.norm(dim=1, keepdim=True).clamp(min=EPSILON)
    (expected * upstream).sum().backward()

    unit = unit_rows(rows, torch.float64, normalise=True)
    torch.testing.assert_close(unit.rows, expected.detach())
    gradient = upstream.clone()
    through_norms_(gradient, unit, 3.0)
    torch.testing.assert_close(gradient, 3.0 * leaf.grad)


def test_rows_used_as_they_are_are_not_copied():
    rows = torch.randn(5, 4)
    assert unit_rows(rows, torch.float32, normalise=False).rows.data_ptr() == rows.data_ptr()


def test_half_precision_rows_are_normalised_in_single_precision():
    rows = torch.full((1, 3), 300.0, dtype=torch.float16)  # the sum of squares overflows fp16
    unit = unit_rows(rows, torch.float32, normalise=True)
    torch.testing.assert_close(unit.rows, torch.full((1, 3), 3**-0.5))
