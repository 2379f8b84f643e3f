"""What an evaluation is given: the model, how it was trained, and its corpus on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from torch import Tensor

from crossmod.evaluation.embedded import EmbeddedItems
from crossmod.model import CrossModal
from crossmod.recipe import Recipe
from crossmod.training.assemble import initialise
from crossmod.training.display import Display
from crossmod.training.prepare import Prepared, prepare


@dataclass(frozen=True)
class EvaluationContext:
    """A model to score.

    Args:
        model: In evaluation mode; must not change while this context lives.
        recipe: What trained it; its `data` may have been overridden.
        display: What a person sees while the corpus is prepared, or whatever else takes long.
        ready: The prepared corpus, when the caller has it already.
    """

    model: CrossModal
    recipe: Recipe
    display: Display = field(default_factory=lambda: Display(None))
    ready: Prepared | None = None

    @cached_property
    def prepared(self) -> Prepared:
        """The corpus of the recipe, read when first asked for."""
        if self.ready is not None:
            return self.ready
        data = self.recipe.data
        return prepare(
            data.build(),
            self.model.processors,
            workers=data.workers,
            max_rejected=data.max_rejected,
            on_progress=self.display.reading,
        )

    def embedded(self, modality: str) -> EmbeddedItems:
        """The embeddings of a modality's items, remembered for as long as this context lives.

        Raises:
            UserError: The model has no such modality.
        """
        return self._remembered(modality, self.model.embed)

    def features(self, modality: str) -> EmbeddedItems:
        """The pooled vectors of a modality's tower, before the projection, remembered likewise.

        Raises:
            UserError: The model has no such modality.
        """
        return self._remembered(modality, self.model.features)

    def untrained(self, seed: int) -> EvaluationContext:
        """The same towers with an initialisation of their own, on the same corpus.

        Args:
            seed: Counted from 0; none gives the initialisation that this model was trained from.
        """
        recipe = replace(self.recipe, seed=self.recipe.seed + 1 + seed)
        model, _ = initialise(recipe, self.model.processors)
        return EvaluationContext(model.eval(), recipe, ready=self.prepared)

    def _remembered(self, modality: str, encode: Callable[[str, Any], Tensor]) -> EmbeddedItems:
        key = (modality, encode.__name__)
        if key not in self._vectors:
            self.model.tower(modality)
            self._vectors[key] = EmbeddedItems(partial(encode, modality), self.prepared.inputs[modality])
        return self._vectors[key]

    @cached_property
    def _vectors(self) -> dict[tuple[str, str], EmbeddedItems]:
        return {}
