"""Matrix products in fp32 on a CPU through oneDNN, which uses the whole width of any processor's vector units.

torch hands fp32 products to MKL, which takes its narrow kernels on processors of other makers: 118 against 260
billion operations a second on one Zen 5 core, with the same single precision. oneDNN is reached through the
operator that torch's own compiler emits for a linear layer; where a build has none, torch's product serves.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# oneDNN compiles a kernel for every new shape, in about a millisecond; a smaller product takes less than that.
SMALLEST_PRODUCT = 2**24


def product_into(out: Tensor, x: Tensor, y: Tensor, *, scale: float = 1.0, offset: float = 0.0) -> Tensor:
    """out = scale * x y + offset. Shape: x (m, k); y (k, n), strided at will; out (m, n)."""
    if wide_kernels_serve(x, y):
        # A 0-dim tensor as the first operand makes this one pass over the tile.
        return torch.add(x.new_tensor(offset), _wide(x, y), alpha=scale, out=out)
    torch.addmm(out, x, y, beta=0, alpha=scale, out=out)
    return out.add_(offset) if offset else out


def add_product_(total: Tensor, x: Tensor, y: Tensor) -> None:
    """total += x y. Shape: x (m, k); y (k, n); total (m, n)."""
    if wide_kernels_serve(x, y):
        total.add_(_wide(x, y))
    else:
        total.addmm_(x, y)


def wide_kernels_serve(x: Tensor, y: Tensor) -> bool:
    """Whether a product runs in oneDNN; decided by type and shape alone, so that equal calls round equally."""
    onednn: Any = torch.backends.mkldnn
    return bool(
        x.device.type == "cpu"
        and x.dtype == y.dtype == torch.float32
        and x.shape[0] * x.shape[1] * y.shape[1] >= SMALLEST_PRODUCT
        and onednn.enabled
        and onednn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _wide(x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, y.t(), None, "none", [], "")
    return found
