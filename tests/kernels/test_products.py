"""Large fp32 products on a CPU against double precision, in every layout the losses use."""

from __future__ import annotations

import pytest
import torch

from crossmod_kernels.products import SMALLEST_PRODUCT, add_product_, product_into, wide_kernels_serve

LAYOUTS = {
    "rows by rows": lambda x, y: (x, y.t().contiguous().t()),
    "plain": lambda x, y: (x, y),
    "transposed first": lambda x, y: (x.t().contiguous().t(), y),
    "slices": lambda x, y: (torch.cat([x, x], 1)[:, : x.shape[1]], torch.cat([y, y], 1)[:, : y.shape[1]]),
}


def operands(size, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, size, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [20, 260])
def test_single_precision_whatever_the_layout(size, layout):
    x, y = LAYOUTS[layout](*operands(size))
    exact = x.double() @ y.double()
    bound = 1e-6 * size**0.5 * float(exact.abs().max())
    out = product_into(torch.empty(size, size), x, y, scale=3.0, offset=-2.0)
    assert float((out.double() - (3 * exact - 2)).abs().max()) <= 3 * bound
    total = torch.ones(size, size)
    add_product_(total, x, y)
    assert float((total.double() - (exact + 1)).abs().max()) <= bound


@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")  # torch's own context manager sets that flag too
def test_the_library_follows_from_type_and_shape_and_the_users_switch():
    small, large = operands(64), operands(260)
    assert 64**3 < SMALLEST_PRODUCT < 260**3
    assert not wide_kernels_serve(*small)
    assert not wide_kernels_serve(*operands(260, torch.float64))
    assert wide_kernels_serve(*large) == torch.backends.mkldnn.is_available()
    with torch.backends.mkldnn.flags(enabled=False):
        assert not wide_kernels_serve(*large)


def test_not_a_number_and_infinity_pass_through():
    x, y = operands(260)
    x[3, 5], x[7, 9] = torch.nan, torch.inf
    out = product_into(torch.empty(260, 260), x, y)
    assert bool(out[3].isnan().all()) and not bool(out[7].isfinite().any())
    assert bool(out[torch.arange(260) > 7].isfinite().all())
