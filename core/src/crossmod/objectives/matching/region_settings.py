"""Settings of ALPRO's pseudo-labels (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crossmod.errors import UserError
from crossmod.objectives.matching.settings import TokenConcatenation
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower
    from crossmod.model import CrossModal


@dataclass(frozen=True, kw_only=True)
class PromptedRegions(ObjectiveSettings):
    """Learn the names that a frozen contrastive model gives to random parts of samples (ALPRO, arXiv:2112.09583).

    No boxes are needed. The frozen model has to know the domain, or its names are noise: watch the share that is kept.

    Args:
        prompter: Run or model folder of a contrastive model with both modalities, trained on the same inputs.
        whole: The modality that parts are named in; the towers of both models encode patches or tokens.
        text: The modality that names are read by and that the student fuses the whole with.
        names: The entities (1,000 nouns of the corpus in ALPRO).
        templates: Sentences with "{}" for the name, whose embeddings are averaged (12 in ALPRO).
        renormalise: Bring the averages back to length one; ALPRO's code does not.
        temperature: Of the frozen model, 1/scale (0.07 in ALPRO at the start).
        threshold: Smallest largest probability of a part that is learned from (0.2 in ALPRO).
        smallest: Smallest share of a sample's tokens in a part (0.3 in ALPRO).
        largest: Largest share (0.5 in ALPRO).
        fusion: What fuses both sides into tokens (ALPRO's, self-attention over both).
    """

    prompter: str
    whole: str
    text: str
    names: list[str]
    templates: list[str] = field(default_factory=lambda: ["{}"])
    renormalise: bool = False
    temperature: float = 0.07
    threshold: float = 0.2
    smallest: float = 0.3
    largest: float = 0.5
    fusion: TokenConcatenation = field(default_factory=TokenConcatenation)

    def __post_init__(self) -> None:
        if not self.names or not self.templates or any("{}" not in template for template in self.templates):
            raise UserError(
                f"{len(self.names)} names with templates {self.templates} prompt nothing; give names, and '{{}}' in "
                "each template."
            )
        if not 0 < self.smallest <= self.largest <= 1:
            raise UserError(
                f"parts of {self.smallest} to {self.largest} of a sample are none; give 0 < smallest <= largest <= 1."
            )
        if not self.temperature > 0:
            raise UserError(f"the prompter's temperature is {self.temperature}; it is positive.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.matching.entity_prompter import PromptedPseudoLabel
        from crossmod.objectives.matching.pair_fusion import ConcatenatedTokens
        from crossmod.objectives.matching.region_prompting import PromptedRegionsObjective, prompter_of

        require_modalities(towers, self.whole, self.text)
        prompter = prompter_of(
            self._load(towers),
            self.whole,
            self.text,
            self.names,
            self.templates,
            renormalise=self.renormalise,
            temperature=self.temperature,
            threshold=self.threshold,
        )
        fusion = self.fusion.build(towers[self.whole].width, towers[self.text].width)
        assert isinstance(fusion, ConcatenatedTokens)
        loss = PromptedPseudoLabel(prompter, fusion.width)
        return PromptedRegionsObjective(
            self.whole, self.text, fusion, loss, smallest=self.smallest, largest=self.largest
        )

    def _load(self, towers: Mapping[str, Tower]) -> CrossModal:
        """The prompter's model, if it reads the same inputs as the tower that is trained."""
        from crossmod.runs.model_folder import load_model
        from crossmod.runs.processor_folder import require_same_specs

        model = load_model(Path(self.prompter))
        for modality in (self.whole, self.text):
            if modality not in model.modalities:
                raise UserError(
                    f"{self.prompter} is a model of {', '.join(model.modalities)} and has no {modality} to prompt with."
                )
        expected = {self.whole: towers[self.whole].processor}
        require_same_specs(expected, {self.whole: model.processors[self.whole].spec}, self.prompter)
        return model
