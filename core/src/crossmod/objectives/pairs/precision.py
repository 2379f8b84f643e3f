"""Contrast in full precision: similarities and sums are never formed in half precision, with or without autocast."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

EPSILON = 1e-8
"""The floor of a norm, as in the CLIP sheet: a row of zeros stays a row of zeros."""


def widened(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Half-precision values in float32, others as they are."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def unit(values: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """Rows over max(norm, 1e-8), in at least float32. Shape: any, the last dimension is normalised."""
    return normalize(widened(values), dim=-1, eps=EPSILON)


def alike(
    rows: Float[Tensor, "batch dim"], keys: Float[Tensor, "keys dim"]
) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "keys dim"]]:
    """Rows and keys in the wider of their types, at least float32, so that half precision forms no products."""
    dtype = torch.promote_types(widened(rows).dtype, widened(keys).dtype)
    return rows.to(dtype), keys.to(dtype)


def without_autocast(like: Tensor) -> Any:
    """A context in which products keep their operands' type."""
    return torch.autocast(device_type=like.device.type, enabled=False)
