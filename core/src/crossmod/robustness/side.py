"""One model under one attack: what it is asked, what the attack makes of it, and what noise alone would."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar, final

from jaxtyping import Float
from torch import Tensor

from crossmod.model import CrossModal
from crossmod.robustness.attacks import noise_values, sga_values, universal_perturbation
from crossmod.robustness.budget import Budget
from crossmod.robustness.continuous import declared_input
from crossmod.robustness.scene import Ranks, Scene, scene
from crossmod.robustness.settings import AttackSettings, PatternSettings, SetGuidedSettings
from crossmod.training.prepare import Prepared

Values = Float[Tensor, "items *shape"]
Content = TypeVar("Content")


@dataclass(frozen=True)
class AttackedModel(ABC, Generic[Content]):
    """One model under one attack, whatever the attack changes.

    Args:
        model: The model.
        prepared: The corpus.
        modality: The attacked one.
        guide: The other.
        settings: The attack.
        read_anew: The corpus was prepared for another model; see `scene`.
    """

    model: CrossModal
    prepared: Prepared
    modality: str
    guide: str
    settings: AttackSettings
    read_anew: bool = False
    _attacked: dict[float, Content] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def asked(self) -> Scene:
        """The items that are attacked."""
        return self.scene_of(self.settings.split)

    def scene_of(self, split: str) -> Scene:
        """The items of a split."""
        return scene(
            self.model,
            self.prepared,
            modality=self.modality,
            guide=self.guide,
            split=split,
            read_anew=self.read_anew,
        )

    @property
    @abstractmethod
    def clean(self) -> Ranks:
        """The ranks on clean input, by direction."""

    @property
    def recalls(self) -> tuple[int, ...]:
        """The k of the settings that the smaller gallery can be wrong at."""
        smaller = min(len(self.asked.group), len(self.asked.guide_group))
        return tuple(k for k in self.settings.recalls if k <= smaller) or (1,)

    @property
    @abstractmethod
    def budgets(self) -> tuple[float, ...]:
        """How far the attack may go, one after the other."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """What a budget is counted in."""

    @property
    def note(self) -> str:
        """What tables say of what was found."""
        return ""

    @property
    def makes_attacks(self) -> bool:
        """Whether the attack can be computed on this model; where it cannot, others' may still be shown to it."""
        return True

    @property
    @abstractmethod
    def noise_name(self) -> str:
        """What tables call the noise."""

    def attacked(self, epsilon: float) -> Content:
        """The items under the attack; found once a budget."""
        if epsilon not in self._attacked:
            self._attacked[epsilon] = self._attack(epsilon)
        return self._attacked[epsilon]

    @abstractmethod
    def noise(self, epsilon: float) -> Content:
        """What the attack has to beat."""

    @abstractmethod
    def baselines(self, epsilon: float) -> dict[str, Content]:
        """The noise and other weaker attacks, by name."""

    @abstractmethod
    def ranks(self, content: Content, /) -> Ranks:
        """The ranks that this model gives to attacked items, by direction."""

    @abstractmethod
    def _attack(self, epsilon: float) -> Content:
        """The items under the attack."""


@final
class Side(AttackedModel[Values]):
    """A model of which the attack moves numbers of the input."""

    @cached_property
    def clean(self) -> Ranks:
        return self.asked.ranks(self.model)

    @property
    def budgets(self) -> tuple[float, ...]:
        return self.settings.budgets

    @property
    def unit(self) -> str:
        declared = declared_input(self.model.tower(self.modality), self.modality)
        return declared.unit or "the units that the tower reads"

    def budget(self, epsilon: float) -> Budget:
        """A budget in the range of the settings, else in that which the tower declares."""
        declared = declared_input(self.model.tower(self.modality), self.modality)
        lower, upper = self.settings.lower, self.settings.upper
        return Budget(epsilon, declared.lower if lower is None else lower, declared.upper if upper is None else upper)

    def noise(self, epsilon: float) -> Values:
        """Random signs as strong as the budget, one pattern where the attack is one."""
        one_for_all = isinstance(self.settings, PatternSettings)
        return noise_values(self.asked, self.budget(epsilon), self.settings.seed, one_for_all=one_for_all)

    @property
    def noise_name(self) -> str:
        return "random pattern" if isinstance(self.settings, PatternSettings) else "random signs"

    def baselines(self, epsilon: float) -> dict[str, Values]:
        """The noise, and for SGA the attack guided by what describes another item."""
        found = {self.noise_name: self.noise(epsilon)}
        if isinstance(self.settings, SetGuidedSettings):
            found["guided by another"] = sga_values(
                self.asked, self.model, self.budget(epsilon), self.settings, shuffled=True
            )
        return found

    def ranks(self, content: Values, /) -> Ranks:
        return self.asked.ranks(self.model, content)

    def _attack(self, epsilon: float) -> Values:
        budget = self.budget(epsilon)
        if isinstance(self.settings, SetGuidedSettings):
            return sga_values(self.asked, self.model, budget, self.settings)
        assert isinstance(self.settings, PatternSettings), "an attack is of one of the two kinds"
        # One pattern for all of them, found on the training split.
        found: Values = universal_perturbation(self.scene_of("train"), self.model, budget, self.settings)(
            self.asked.values
        )
        return found
