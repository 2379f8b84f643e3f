"""What an evaluation is given: the model, how it was trained, and its corpus on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from crossmod.evaluation.embedded import EmbeddedItems
from crossmod.model import CrossModal
from crossmod.recipe import Recipe
from crossmod.training.prepare import OnProgress, Prepared, prepare


@dataclass(frozen=True)
class EvaluationContext:
    """A model to score.

    Args:
        model: In evaluation mode.
        recipe: What trained it; its `data` may have been overridden.
        on_progress: Called while the corpus is prepared.
        ready: The prepared corpus, when the caller has it already.
    """

    model: CrossModal
    recipe: Recipe
    on_progress: OnProgress = field(default=lambda modality, done, total: None)
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
            on_progress=self.on_progress,
        )

    def embedded(self, modality: str) -> EmbeddedItems:
        """The embeddings of a modality's items, remembered for as long as this context lives.

        Raises:
            UserError: The model has no such modality.
        """
        if modality not in self._embedded:
            self.model.tower(modality)
            self._embedded[modality] = EmbeddedItems(self.model, self.prepared, modality)
        return self._embedded[modality]

    @cached_property
    def _embedded(self) -> dict[str, EmbeddedItems]:
        return {}
