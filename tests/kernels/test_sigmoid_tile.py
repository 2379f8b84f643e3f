"""Merged softplus sums against torch's own, at every size of logit and for tiles of any length."""

from __future__ import annotations

import pytest
import torch

from crossmod_kernels.sigmoid_tile import SigmoidTile


@pytest.mark.parametrize("size", [(3, 5), (4, 6), (8, 8), (1, 1)])
@pytest.mark.parametrize("centre", [-80.0, -20.0, 0.0, 12.0, 60.0, 200.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_sum_and_sigmoids_equal_torch(size, centre, dtype, tolerance):
    values = centre + 4 * torch.randn(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0, 0] = -torch.inf
    tile = values.to(dtype)
    exact = tile.double().clone()
    found = SigmoidTile(torch.empty(tile.numel(), dtype=dtype), float(exact.max())).softplus_sum_then_sigmoid_(tile)
    expected = -torch.nn.functional.logsigmoid(-exact).sum()
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=1e-300)
    torch.testing.assert_close(tile.double(), exact.sigmoid(), rtol=10 * tolerance, atol=1e-38)


def test_an_unknown_bound_never_overflows():
    tile = torch.full((4, 4), 1000.0)
    assert SigmoidTile(torch.empty(16), float("inf")).softplus_sum_then_sigmoid_(tile).item() == 16000.0
    assert bool((tile == 1).all())
