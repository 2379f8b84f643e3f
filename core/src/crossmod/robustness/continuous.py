"""Inputs that a gradient can change: one tensor of real numbers, a row a sample."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.contracts.batch import Inputs
from crossmod.contracts.continuous import ContinuousInput
from crossmod.contracts.tower import Tower
from crossmod.errors import UserError

_MEND = "choose a modality of vectors, pictures, volumes or spectrograms with --modality"


@runtime_checkable
class Continuous(Inputs, Protocol):
    """Inputs of one modality whose content is a floating tensor.

    A frozen dataclass with a field `values` need not write `with_values`: `with_values` of this module then replaces
    that field and keeps the others (lengths, masks).

    Attributes:
        values: [samples, ...] floating, in the units that the tower reads.
    """

    @property
    def values(self) -> Float[Tensor, "samples *shape"]:
        """The content, one row a sample."""
        ...

    def with_values(self, values: Float[Tensor, "samples *shape"], /) -> Self:
        """The same samples with other content of the same shape."""
        ...


def declared_input(tower: Tower, modality: str) -> ContinuousInput:
    """What the tower declares of its input by `continuous`; nothing declared is unbounded and left to the inputs.

    Raises:
        UserError: It declares that its input is not continuous.
    """
    declared: ContinuousInput | None = getattr(tower, "continuous", ContinuousInput())
    if declared is None:
        raise UserError(f"the {type(tower).__name__} of {modality} declares its input discrete; {_MEND}.")
    return declared


def values_of(inputs: Inputs, modality: str) -> Float[Tensor, "samples *shape"]:
    """The tensor that an attack on `modality` may change.

    Raises:
        UserError: The inputs hold no such tensor: they are discrete (text, graphs) or packed (ragged).
    """
    values: Any = getattr(inputs, "values", None)
    if not isinstance(values, Tensor) or not values.is_floating_point():
        raise UserError(f"{modality} is made of {type(inputs).__name__}, which hold no continuous values; {_MEND}.")
    if values.ndim < 2 or len(values) != len(inputs):
        raise UserError(
            f"the values of {modality} have shape {list(values.shape)} for {len(inputs)} samples, not one row a "
            f"sample; {_MEND}."
        )
    if not isinstance(inputs, Continuous) and not is_dataclass(inputs):
        raise UserError(
            f"{type(inputs).__name__} of {modality} cannot be given other values; write its method `with_values`."
        )
    return values


def with_values(inputs: Inputs, values: Float[Tensor, "samples *shape"]) -> Inputs:
    """The same samples with other content: by their own `with_values`, else by replacing the field `values`.

    Raises:
        UserError: The inputs offer neither; see `values_of`.
    """
    old = values_of(inputs, type(inputs).__name__)
    assert old.shape == values.shape, f"values of shape {list(values.shape)} for {list(old.shape)}"
    if isinstance(inputs, Continuous):
        return inputs.with_values(values)
    assert is_dataclass(inputs) and not isinstance(inputs, type)
    changed = replace(inputs, values=values)
    assert isinstance(changed, Inputs)
    return changed


def require_finite_values(values: Float[Tensor, "samples *shape"], what: str) -> None:
    """Refuse NaN and infinity, whose gradient has no direction.

    Raises:
        UserError: There is one.
    """
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise UserError(f"{what} hold {bad} NaN or infinite number(s); find the item and remove it.")
