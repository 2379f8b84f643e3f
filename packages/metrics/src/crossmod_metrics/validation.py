"""The checks on a caller's tensors, in one place so that every metric refuses bad input with the same words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def require_rows(name: str, tensor: Tensor, dimensions: int) -> None:
    """Refuse a tensor of another number of dimensions, or one without a single element.

    Raises: ValueError.
    """
    if tensor.ndim != dimensions:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; pass a tensor of {dimensions} dimension(s).")
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty (shape {tuple(tensor.shape)}); pass at least one row.")


def require_equal_lengths(names: Sequence[str], tensors: Sequence[Tensor]) -> None:
    """Refuse tensors whose first dimensions differ.

    Raises: ValueError.
    """
    lengths = [len(tensor) for tensor in tensors]
    if len(set(lengths)) > 1:
        found = ", ".join(f"{name} {length}" for name, length in zip(names, lengths, strict=True))
        raise ValueError(f"lengths differ ({found}); pass one row each for the same samples, in one order.")


def require_same_width(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    """Refuse two matrices whose last dimensions differ.

    Raises: ValueError.
    """
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"{name_a} has width {a.shape[-1]} and {name_b} has width {b.shape[-1]}; embed both into one space."
        )


def require_finite(name: str, tensor: Tensor) -> float:
    """Refuse NaN and infinity; return the largest absolute value.

    The extremes carry NaN and infinity along, so no mask of the tensor's size is ever made.

    Raises: ValueError.
    """
    low, high = (float(extreme) for extreme in torch.aminmax(tensor))
    largest = max(abs(low), abs(high))
    if low != low or high != high or largest == float("inf"):
        bad = int((~torch.isfinite(tensor)).sum())
        raise ValueError(f"{name} holds {bad} NaN or infinite value(s); find the step that made them.")
    return largest


def require_without_nan(name: str, tensor: Tensor) -> None:
    """Refuse NaN but allow infinities (a score of -inf is a masked candidate).

    Raises: ValueError.
    """
    bad = int(torch.isnan(tensor).sum())
    if bad:
        raise ValueError(f"{name} holds {bad} NaN value(s); find the step that made them.")


def require_class_indices(name: str, labels: Tensor, classes: int) -> None:
    """Refuse integer labels outside 0 .. classes - 1.

    Raises: ValueError.
    """
    if labels.is_floating_point():
        raise ValueError(f"{name} is {labels.dtype}; pass integer class indices.")
    low, high = (int(extreme) for extreme in torch.aminmax(labels))
    if low < 0 or high >= classes:
        raise ValueError(f"{name} spans {low} to {high}; class indices must lie in 0 to {classes - 1}.")


def require_binary(name: str, labels: Tensor, *, missing: bool = False) -> None:
    """Refuse labels other than 0 and 1 (and, if `missing`, NaN for "not measured").

    Raises: ValueError.
    """
    allowed = (labels == 0) | (labels == 1)
    if missing and labels.is_floating_point():
        allowed |= torch.isnan(labels)
    bad = int((~allowed).sum())
    if bad:
        words = "0, 1 or NaN" if missing else "0 or 1"
        raise ValueError(f"{name} holds {bad} value(s) that are not {words}; map the labels first.")
