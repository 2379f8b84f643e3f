"""Margins of a label of two classes, by prompts alone, and their AUROC with intervals that resample subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import Labelled, labelled_items
from crossmod.model import CrossModal
from crossmod_metrics import bootstrap_statistic, class_embeddings, roc_auc, zero_shot_scores


@dataclass(frozen=True)
class Margins:
    """How much nearer every item lies to the prompts of the second class than to those of the first.

    Args:
        found: The items, with their class.

    Shape:
        margin: [items] float64, in -2..2.
    """

    found: Labelled
    margin: Float[Tensor, "items"]

    @property
    def truth(self) -> Int64[Tensor, "items"]:
        """The class of every item."""
        return self.found.values.long()

    def where(self, chosen: Bool[Tensor, "items"]) -> Margins:
        """Some of the items."""
        return Margins(self.found.where(chosen), self.margin[chosen])


def prompt_classes(model: CrossModal, text: str, label: Label) -> Float[Tensor, "classes dim"]:
    """One unit vector a class: the mean of its prompts' embeddings.

    Raises:
        UserError: A class has no prompt.
    """
    sentences: list[str] = []
    owner: list[int] = []
    for number, name in enumerate(label.classes):
        prompts = label.prompts.get(name, ())
        if not prompts:
            raise UserError(f"class {name!r} has no prompt; write at least one sentence for it.")
        sentences += prompts
        owner += [number] * len(prompts)
    return class_embeddings(model.embed(text, sentences), torch.tensor(owner), len(label.classes))


def label_margins(context: EvaluationContext, text: str, label: Label, split: str) -> Margins:
    """The margins of all labelled items of a split.

    Raises:
        UserError: A class has no prompt.
    """
    found = labelled_items(context.prepared, label, split)
    if not len(found.item):
        return Margins(found, torch.empty(0, dtype=torch.float64))
    vectors = context.embedded(label.modality).of(found.item)
    scores = zero_shot_scores(vectors, prompt_classes(context.model, text, label))
    return Margins(found, scores[:, 1] - scores[:, 0])


@dataclass(frozen=True)
class Macro:
    """The mean AUROC of several labels, and the ends of its 95 % interval, None where there is none."""

    mean: float
    low: float | None = None
    high: float | None = None

    def cells(self) -> dict[str, float]:
        """What of it a table shows."""
        values = {"auroc": self.mean, "low": self.low, "high": self.high}
        return {key: value for key, value in values.items() if value is not None}


def macro_auroc(several: Sequence[Margins], *, resamples: int, seed: int) -> Macro:
    """Mean AUROC over labels that have both classes, all resampled together: a drawn subject brings all its items.

    In a draw that leaves a label one class alone, that label does not count.

    Args:
        several: The margins of at least one label.
        resamples: Draws of subjects; 0 gives no interval.
        seed: Of the draws.
    """
    items, place = torch.unique(torch.cat([one.found.item for one in several]), return_inverse=True)
    subject = torch.zeros(len(items), dtype=torch.int64)
    subject[place] = torch.cat([one.found.subject for one in several])
    margin = torch.full((len(several), len(items)), torch.nan, dtype=torch.float64)
    truth = torch.full_like(margin, torch.nan)
    start = 0
    for number, one in enumerate(several):
        own = place[start : start + len(one.found.item)]
        margin[number, own], truth[number, own] = one.margin.double(), one.found.values
        start += len(own)

    def mean(drawn: Int64[Tensor, "drawn"]) -> float:
        found = [_auroc(score[drawn], known[drawn]) for score, known in zip(margin, truth, strict=True)]
        return float(torch.tensor(found, dtype=torch.float64).nanmean())

    estimate = mean(torch.arange(len(items)))
    if not resamples or len(torch.unique(subject)) < 2:
        return Macro(estimate)
    interval = bootstrap_statistic(mean, len(items), subject, seed=seed, resamples=resamples)
    return Macro(estimate, interval.low, interval.high)


def _auroc(score: Float[Tensor, "drawn"], truth: Float[Tensor, "drawn"]) -> float:
    known = ~truth.isnan()
    value = truth[known].long()
    return roc_auc(score[known], value) if 0 < int(value.sum()) < len(value) else float("nan")
