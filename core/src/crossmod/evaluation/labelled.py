"""The labelled items of a corpus, as zero-shot and probes take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.training.prepare import Prepared


@dataclass(frozen=True)
class Labelled:
    """The distinct items of some rows whose label is known.

    Shape:
        item: [items], positions among the modality's inputs.
        values: [items] float64.
        subject: [items]; equal numbers come from one subject (`Corpus.subject`), or from one group.
        row: [items]; the first row of the corpus that holds the item.
    """

    item: Int64[Tensor, "items"]
    values: Float[Tensor, "items"]
    subject: Int64[Tensor, "items"]
    row: Int64[Tensor, "items"]

    def where(self, chosen: Bool[Tensor, "items"]) -> Labelled:
        """Some of the items."""
        return Labelled(self.item[chosen], self.values[chosen], self.subject[chosen], self.row[chosen])

    @property
    def has_both(self) -> bool:
        """Whether at least two values occur, without which nothing can be told apart."""
        return len(torch.unique(self.values)) >= 2


def labelled_items(prepared: Prepared, label: Label, split: str) -> Labelled:
    """One entry a distinct item of the label's modality in a split; an item's first known value counts."""
    rows = prepared.rows(split, label.modality)
    item = prepared.item[label.modality][rows]
    values = torch.from_numpy(label.values)[rows]
    subject = prepared.group if prepared.corpus.subject is None else torch.from_numpy(prepared.corpus.subject)
    subject = subject[rows]
    known = ~values.isnan()
    order = torch.argsort(item[known], stable=True)
    found = Labelled(item[known][order], values[known][order], subject[known][order], rows[known][order])
    first = torch.ones(len(found.item), dtype=torch.bool)
    first[1:] = found.item[1:] != found.item[:-1]
    return found.where(first)


@dataclass(frozen=True)
class Tasks:
    """The items of some rows, with all labels that describe their modality.

    Shape:
        item: [items], positions among the modality's inputs.
        values: [items, labels] float64; NaN where nothing is known.
        subject: [items]; see `Labelled`.
        row: [items]; see `Labelled`.
    """

    item: Int64[Tensor, "items"]
    values: Float[Tensor, "items labels"]
    subject: Int64[Tensor, "items"]
    row: Int64[Tensor, "items"]


def labelled_tasks(prepared: Prepared, labels: Sequence[Label], split: str) -> Tasks:
    """The distinct items of a split that carry any of the labels, which are of one modality."""
    parts = [labelled_items(prepared, label, split) for label in labels]
    item, place = torch.unique(torch.cat([part.item for part in parts]), return_inverse=True)
    values = torch.full((len(item), len(labels)), torch.nan, dtype=torch.float64)
    subject, row = torch.zeros_like(item), torch.zeros_like(item)
    start = 0
    for number, part in enumerate(parts):
        own = place[start : start + len(part.item)]
        values[own, number], subject[own], row[own] = part.values, part.subject, part.row
        start += len(own)
    return Tasks(item, values, subject, row)


def require_labels(prepared: Prepared, *, prompts: bool, classes: int = 0) -> Mapping[str, Label]:
    """The labels of a corpus, those with prompts only where they are needed.

    Args:
        prepared: The corpus.
        prompts: Whether a label needs prompts.
        classes: The number of classes it needs; 0 takes any, numbers included.

    Raises:
        UserError: There is none.
    """
    labels = {
        name: label
        for name, label in prepared.corpus.labels.items()
        if (label.prompts or not prompts) and (not classes or len(label.classes) == classes)
    }
    if not labels:
        missing = "labels" + (f" of {classes} classes" if classes else "") + (" with prompts" if prompts else "")
        raise UserError(
            f"corpus {prepared.corpus.name} has no {missing}, which this evaluation scores; "
            "choose a corpus that has some with --data, or another evaluation with --on retrieval."
        )
    return labels


def by_modality(labels: Mapping[str, Label]) -> dict[str, list[Label]]:
    """The labels of every modality that any describes."""
    found: dict[str, list[Label]] = {}
    for label in labels.values():
        found.setdefault(label.modality, []).append(label)
    return found
