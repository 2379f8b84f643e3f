"""Objectives as pure functions and modules, usable in any training loop.

    from crossmod.objectives import InfoNCELoss, SigmoidPairLoss

Settings for recipes stand in `crossmod.objectives.settings`, which imports no torch.
"""

from __future__ import annotations

from typing import Any

_HOME = {
    "InfoNCELoss": "crossmod.objectives.info_nce",
    "PairTerms": "crossmod.objectives.info_nce",
    "SigmoidPairLoss": "crossmod.objectives.sigmoid",
    "PairwiseObjective": "crossmod.objectives.pairwise",
    "MaskedTokenObjective": "crossmod.objectives.masked_tokens",
    "masked_cross_entropy": "crossmod.objectives.masked_tokens",
    "uniform_keep": "crossmod.objectives.masked_tokens",
    "Mixture": "crossmod.objectives.mixture",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Lazily, so that the settings beside these modules can be read without importing torch.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
