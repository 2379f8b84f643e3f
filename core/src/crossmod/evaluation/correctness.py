"""Which items prompts alone classify right, for labels of any number of classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import Labelled, labelled_items
from crossmod.evaluation.margins import prompt_classes
from crossmod_metrics import bootstrap_statistic, zero_shot_scores


@dataclass(frozen=True)
class Correctness:
    """The items of a label, and whether the nearest class is theirs.

    Args:
        found: The items, with their class.

    Shape:
        right: [items] float64, 1 where the nearest class is the item's own.
    """

    found: Labelled
    right: Float[Tensor, "items"]

    def where(self, chosen: Bool[Tensor, "items"]) -> Correctness:
        """Some of the items."""
        return Correctness(self.found.where(chosen), self.right[chosen])

    def accuracy(self, *, resamples: int, seed: int) -> dict[str, float]:
        """Accuracy in percent; with the ends of its 95 % interval where there are two subjects and resamples."""
        cells = {"accuracy": 100 * float(self.right.mean())}
        if resamples and len(torch.unique(self.found.subject)) > 1:
            interval = bootstrap_statistic(
                lambda drawn: 100 * float(self.right[drawn].mean()),
                len(self.right),
                self.found.subject,
                seed=seed,
                resamples=resamples,
            )
            cells |= {"low": interval.low, "high": interval.high}
        return cells


def zero_shot_correctness(context: EvaluationContext, text: str, label: Label, split: str) -> Correctness:
    """Classify every labelled item of a split by prompts.

    Raises:
        UserError: A class has no prompt.
    """
    found = labelled_items(context.prepared, label, split)
    if not len(found.item):
        return Correctness(found, torch.empty(0, dtype=torch.float64))
    vectors = context.embedded(label.modality).of(found.item)
    scores = zero_shot_scores(vectors, prompt_classes(context.model, text, label))
    return Correctness(found, (scores.argmax(dim=1) == found.values.long()).double())
