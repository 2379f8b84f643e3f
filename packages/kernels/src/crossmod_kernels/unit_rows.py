"""L2-normalisation and its gradient, in place and in row chunks: autograd's own holds three more copies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-8  # the floor of a norm: a row of zeros stays a row of zeros
CHUNK_ROWS = 1024


class UnitRows(NamedTuple):
    """Rows of length one, and the lengths they had; `norms` is None when the caller's rows were used as is."""

    rows: Tensor
    norms: Tensor | None


def unit_rows(embeddings: Float[Tensor, "batch dim"], dtype: torch.dtype, *, normalise: bool) -> UnitRows:
    """Embeddings in `dtype` and, if asked, divided by their norms: x / max(|x|, 1e-8), norms in `dtype`.

    Shape: embeddings (batch, dim).
    """
    if not normalise:
        rows = embeddings.to(dtype)
        # Rows of stride 0 or non-adjacent elements would be copied by every product of every tile.
        usable = rows.stride(1) == 1 and rows.stride(0) >= rows.shape[1]
        return UnitRows(rows if usable else rows.contiguous(), None)
    rows = torch.empty(embeddings.shape, dtype=dtype, device=embeddings.device)
    norms = torch.empty(embeddings.shape[0], 1, dtype=dtype, device=embeddings.device)
    for start in range(0, len(embeddings), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        rows[part] = embeddings[part]
        torch.linalg.vector_norm(rows[part], dim=1, keepdim=True, out=norms[part])
        rows[part].div_(norms[part].clamp(min=EPSILON))
    return UnitRows(rows, norms)


def through_norms_(gradient: Float[Tensor, "batch dim"], unit: UnitRows, factor: float) -> None:
    """Turn, in place, a gradient for unit rows into `factor` times the one for the rows before normalisation.

    d/dx = (g - u (u.g)) / |x|, and g / 1e-8 below the floor, where the norm is a constant.
    Shape: gradient (batch, dim).
    """
    if unit.norms is None:
        gradient.mul_(factor)
        return
    for start in range(0, len(gradient), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        chunk, rows, norms = gradient[part], unit.rows[part], unit.norms[part]
        along = (chunk * rows).sum(1, keepdim=True).mul_(norms >= EPSILON)
        chunk.addcmul_(rows, along, value=-1.0).mul_(factor / norms.clamp(min=EPSILON))


def paired_dots(x: Tensor, y: Tensor) -> Float[Tensor, "batch"]:
    """Dot products of matching rows, in chunks. Shape: x, y (batch, dim)."""
    parts = [
        (x[start : start + CHUNK_ROWS] * y[start : start + CHUNK_ROWS]).sum(1) for start in range(0, len(x), CHUNK_ROWS)
    ]
    return torch.cat(parts)


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Double precision if any input has it, else single: logits and sums are never kept in half precision."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
