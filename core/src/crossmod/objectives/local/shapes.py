"""Shapes that have to agree, checked before broadcasting or indexing hides or garbles the mistake."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def require_shape(expected: Sequence[int], **given: Tensor | None) -> None:
    """Refuse a tensor, named by its keyword, of any other shape; None is not checked.

    Raises:
        ValueError: A tensor has another shape.
    """
    for name, tensor in given.items():
        if tensor is not None and tuple(tensor.shape) != tuple(expected):
            raise ValueError(
                f"{name} has shape {list(tensor.shape)}, but the tensors beside it need {list(expected)}; build all of "
                "them for the same rows and tokens"
            )
