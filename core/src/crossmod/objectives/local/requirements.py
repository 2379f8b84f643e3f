"""What settings of local objectives ask of their numbers and of a model's towers (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities

if TYPE_CHECKING:
    from crossmod.contracts.tower import TokenTower, Tower
    from crossmod.objectives.local.visible_tower import VisibleTower


def token_tower(towers: Mapping[str, Tower], modality: str, objective: str) -> TokenTower:
    """A tower that offers tokens.

    Raises:
        UserError: The model has no such modality, or its tower has no tokens.
    """
    from crossmod.contracts.tower import TokenTower

    require_modalities(towers, modality)
    tower = towers[modality]
    if not isinstance(tower, TokenTower):
        raise UserError(
            f"{objective} works on tokens of {modality!r}, but its tower {type(tower).__name__} has none; "
            "choose a tower with tokens or drop the objective."
        )
    return tower


def require_share(share: float) -> None:
    """Refuse a share of hidden tokens that leaves none or all."""
    if not 0 < share < 1:
        raise UserError(f"the share of hidden tokens is {share}; it lies between 0 and 1.")


def require_positive(**values: float) -> None:
    """Refuse numbers below one."""
    for name, value in values.items():
        if value < 1:
            raise UserError(f"{name} is {value}; it is at least 1.")


def require_multiple(width: int, heads: int, positions: int) -> None:
    """Refuse a width that heads and positions do not divide."""
    if width % heads or width % positions:
        raise UserError(
            f"a decoder width of {width} does not divide into {heads} heads and positions of {positions}; "
            "take a multiple of both."
        )


def require_axis(axis: int, axes: int) -> None:
    """Refuse an axis that coordinates do not have."""
    if not -axes <= axis < axes:
        raise UserError(f"time_axis is {axis}, but the patches have {axes} axes; name one of them, from 0.")


def visible_tower(towers: Mapping[str, Tower], modality: str, objective: str) -> VisibleTower:
    """A tower that can leave patches out.

    Raises:
        UserError: The model has no such modality, or its tower cannot.
    """
    from crossmod.objectives.local.visible_tower import VisibleTower

    require_modalities(towers, modality)
    tower = towers[modality]
    if not isinstance(tower, VisibleTower):
        raise UserError(
            f"{objective} leaves patches of {modality!r} out, which its tower {type(tower).__name__} cannot; choose a "
            "tower of patches, or an objective that replaces tokens, such as MaskedLanguage."
        )
    return tower
