"""Settings of the objectives that any domain can put into a recipe (torch-free).

The basic objectives stand here, the others beside their family; all of them can be imported from here.

    from crossmod.objectives.settings import CWCL, InfoNCE, PairMatching
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from crossmod.errors import UserError
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower

FAMILY_SETTINGS = (
    "crossmod.objectives.pairs.settings",
    "crossmod.objectives.pairs.token_settings",
    "crossmod.objectives.pairs.local_settings",
    "crossmod.objectives.pairs.state_settings",
    "crossmod.objectives.local.settings",
    "crossmod.objectives.local.grounded_settings",
    "crossmod.objectives.local.mixed_settings",
    "crossmod.objectives.local.state_settings",
    "crossmod.objectives.matching.settings",
    "crossmod.objectives.matching.event_settings",
    "crossmod.objectives.matching.region_settings",
    "crossmod.fusion.settings",
)
"""The other modules with settings of objectives and of their parts."""


def __getattr__(name: str) -> Any:
    # Lazily: the families' settings import this module.
    for path in FAMILY_SETTINGS if name[:1].isupper() else ():
        kind = vars(import_module(path)).get(name)
        if isinstance(kind, type) and kind.__module__ == path:
            return kind
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True, kw_only=True)
class InfoNCE(ObjectiveSettings):
    """Symmetric InfoNCE between two modalities, with group-aware targets (CLIP, arXiv:2103.00020).

    Args:
        a: One modality.
        b: The other modality.
        scale: Logit scale to start at, 1/temperature (1/0.07 in CLIP).
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
        learned_scale: False keeps the scale constant (MoMu uses 1/0.1).
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    a: str
    b: str
    scale: float = 1 / 0.07
    largest_scale: float = 100.0
    learned_scale: bool = True
    groups: bool = True

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.info_nce import InfoNCELoss
        from crossmod.objectives.pairwise import PairwiseObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        scale = LogitScale(self.scale, largest=self.largest_scale, learned=self.learned_scale)
        return PairwiseObjective(self.a, self.b, InfoNCELoss(scale), groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class SigLIP(ObjectiveSettings):
    """Sigmoid loss on every pair of a batch, positives by group (SigLIP, arXiv:2303.15343).

    Args:
        a: One modality.
        b: The other modality.
        scale: Logit scale to start at (10 in SigLIP).
        bias: Logit bias to start at; -10 suits batches near 22,000, ln(p/(1-p)) with p = 1/batch any size.
        groups: Rows of one group are positives of each other; false leaves only the pairs themselves.
    """

    a: str
    b: str
    scale: float = 10.0
    bias: float = -10.0
    groups: bool = True

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairwise import PairwiseObjective
        from crossmod.objectives.sigmoid import SigmoidPairLoss
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        infinite = float("inf")
        scale = LogitScale(self.scale, largest=infinite, smallest=1e-6, bias=self.bias)
        return PairwiseObjective(self.a, self.b, SigmoidPairLoss(scale), groups=self.groups)


def require_modalities(towers: Mapping[str, Tower], *modalities: str) -> None:
    """Refuse an objective that names a modality which the model has no tower for."""
    for modality in modalities:
        if modality not in towers:
            raise UserError(
                f"an objective names the modality {modality!r}, but the model has {', '.join(sorted(towers))}."
            )
