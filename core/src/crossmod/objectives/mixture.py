"""The weighted sum of a recipe's objectives, each term named for the log."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.recipe import ObjectiveSettings


class Mixture(nn.Module):
    """Weighs and schedules objectives.

    Args:
        settings: By name, the settings that state each objective's weight and ramp.
        towers: The model's towers, which objectives may ask for widths and vocabularies.

    Raises:
        UserError: There is no objective at all, or none with a weight.
    """

    def __init__(self, settings: Mapping[str, ObjectiveSettings], towers: Mapping[str, Tower]) -> None:
        super().__init__()
        if not settings:
            raise UserError("the recipe has no objective; name at least one under `objectives:`.")
        if not any(entry.weight for entry in settings.values()):
            raise UserError(f"every objective ({', '.join(settings)}) has the weight 0; give at least one a weight.")
        self.settings = dict(settings)
        self.objectives = nn.ModuleDict({name: entry.build(towers) for name, entry in settings.items()})

    def weight(self, name: str, step: int) -> float:
        """The factor of one objective at a step: linear from 0 over its ramp, then constant."""
        settings = self.settings[name]
        ramp = min(1.0, (step + 1) / settings.ramp_steps) if settings.ramp_steps else 1.0
        return settings.weight * ramp

    @property
    def hidden(self) -> dict[str, int]:
        """By modality, the most states of top layers that any objective reads, nested ones included."""
        wanted: dict[str, int] = {}
        for part in self.modules():
            for modality, states in part.hidden.items() if isinstance(part, Objective) else ():
                wanted[modality] = max(states, wanted.get(modality, 0))
        return wanted

    def select(self, *, couples_batch: bool) -> list[str]:
        """Names of the objectives that couple a batch, or of those that do not."""
        return [name for name in self.objectives if self._get(name).couples_batch == couples_batch]

    def forward(self, forwards: Forwards, batch: Batch, step: int, names: list[str] | None = None) -> Outcome | None:
        """The weighted sum of the named objectives (all of them by default); None when there is none.

        One of weight 0 is neither computed nor logged.
        """
        total: Tensor | None = None
        terms: dict[str, Tensor] = {}
        for name in self.objectives if names is None else names:
            if not self.settings[name].weight:
                continue
            outcome = self._get(name)(forwards, batch)
            weighted = self.weight(name, step) * outcome.loss
            total = weighted if total is None else total + weighted
            terms.update({f"{name}/{term}": value for term, value in outcome.terms.items()})
        return None if total is None else Outcome(total, terms)

    def after_step(self) -> None:
        """Let every objective bring its parameters back into range."""
        for name in self.objectives:
            self._get(name).after_step()

    def _get(self, name: str) -> Objective:
        objective = self.objectives[name]
        assert isinstance(objective, Objective)
        return objective
