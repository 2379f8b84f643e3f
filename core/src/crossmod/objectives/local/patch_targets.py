"""What of a patch is to be predicted, how many numbers that takes, and what a wrong one costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from torch import Tensor

from crossmod.contracts.tower import Tokens
from crossmod.objectives.local.patches import standardise_patches
from crossmod.objectives.local.reconstruction import (
    TokenError,
    absolute_error,
    chamfer_error,
    code_error,
    quantile_error,
    squared_error,
)

TargetKind = Literal["values", "absolute", "codes", "points", "quantiles"]


class PatchTarget(NamedTuple):
    """One kind of target.

    Attributes:
        outputs: Numbers predicted for every patch.
        shape: Brings predictions [..., outputs] into the shape that `error` takes.
        read: The targets of a tower's tokens.
        error: One number a patch.
    """

    outputs: int
    shape: Callable[[Tensor], Tensor]
    read: Callable[[Any, Tokens], Tensor]
    error: TokenError


def patch_target(
    kind: TargetKind,
    tower: Any,
    *,
    standardised: bool = False,
    levels: Sequence[float] = (0.1, 0.5, 0.9),
    point_axes: int = 3,
) -> PatchTarget:
    """The target of a kind for a tower of patches.

    Args:
        kind: "values" (MAE, arXiv:2111.06377), "absolute" (values by their absolute error: depth in MultiMAE), "codes"
            (discrete tokens: semantic classes in MultiMAE, arXiv:2204.01678), "points" (Chamfer distance of Point-MAE,
            arXiv:2203.06604) or "quantiles" (pinball error of VisionTS++, arXiv:2508.04379).
        tower: Offers `patches` and `patch_values`, or, for "codes", a `vocabulary`.
        standardised: Values and quantiles by the patch's own mean and deviation.
        levels: Of the quantiles.
        point_axes: Numbers of one point, for "points"; a patch holds points end to end, relative to its centre.

    Raises:
        ValueError: The tower's patches do not divide into points, it has no discrete tokens, or the kind is unknown.
    """
    if kind == "codes":
        if not getattr(tower, "vocabulary", 0):
            raise ValueError(f"codes are to be predicted, but {type(tower).__name__} has no vocabulary; take values")
        return PatchTarget(int(tower.vocabulary), _same, lambda _, tokens: tokens.targets, code_error)
    values = int(tower.patch_values)

    def read(tower: Any, tokens: Tokens) -> Tensor:
        found: Tensor = tower.patches(tokens)
        return standardise_patches(found) if standardised else found

    if kind in ("values", "absolute"):
        return PatchTarget(values, _same, read, squared_error if kind == "values" else absolute_error)
    if kind == "quantiles":
        error, count = quantile_error(levels), len(levels)
        return PatchTarget(values * count, lambda found: found.reshape(*found.shape[:-1], values, count), read, error)
    if kind == "points":
        if values % point_axes:
            raise ValueError(f"patches of {values} numbers do not divide into points of {point_axes}; set point_axes")
        shape = (values // point_axes, point_axes)
        return PatchTarget(
            values,
            lambda found: found.reshape(*found.shape[:-1], *shape),
            lambda tower, tokens: tower.patches(tokens).unflatten(-1, shape),
            chamfer_error,
        )
    raise ValueError(f"the target is {kind!r}; take 'values', 'absolute', 'codes', 'points' or 'quantiles'")


def _same(found: Tensor) -> Tensor:
    return found
