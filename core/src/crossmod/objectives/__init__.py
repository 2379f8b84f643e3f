"""Objectives as pure functions and modules, usable in any training loop.

    from crossmod.objectives import InfoNCELoss, late_interaction, masked_cross_entropy

All public names of the three families stand here: `pairs` couples a batch, `local` is additive over its samples,
`matching` scores fused pairs. Settings for recipes stand in `crossmod.objectives.settings`, which imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from crossmod.objectives import local, matching, pairs

_HOME = {
    "InfoNCELoss": "info_nce",
    "PairTerms": "info_nce",
    "SigmoidPairLoss": "sigmoid",
    "PairwiseObjective": "pairwise",
    "MaskedTokenObjective": "masked_tokens",
    "masked_cross_entropy": "masked_tokens",
    "uniform_keep": "masked_tokens",
    "Mixture": "mixture",
}
_FAMILY = {name: family for family in (pairs, local, matching) for name in family.__all__}

__all__ = sorted([*_HOME, *_FAMILY])


def __getattr__(name: str) -> Any:
    # Lazily, so that the settings beside these modules can be read without importing torch.
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _FAMILY:
        return getattr(_FAMILY[name], name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
