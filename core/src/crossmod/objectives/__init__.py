"""Objectives as pure functions and modules, usable in any training loop.

    from crossmod.objectives import InfoNCELoss, late_interaction, masked_cross_entropy

All public names of the three families stand here: `pairs` couples a batch, `local` is additive over its samples,
`matching` scores fused pairs. Settings for recipes stand in `crossmod.objectives.settings`, which imports no torch.
"""

from __future__ import annotations

from crossmod.lazy import lazy_names
from crossmod.objectives import local, matching, pairs

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "info_nce": ("InfoNCELoss", "PairTerms"),
        "mixture": ("Mixture",),
        "pairwise": ("PairwiseObjective",),
        "sigmoid": ("SigmoidPairLoss",),
        "local": local.__all__,
        "matching": matching.__all__,
        "pairs": pairs.__all__,
    },
)
