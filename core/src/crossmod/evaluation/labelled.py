"""The labelled items of a corpus, as zero-shot and probes take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
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
    """

    item: Int64[Tensor, "items"]
    values: Float[Tensor, "items"]
    subject: Int64[Tensor, "items"]


def labelled_items(prepared: Prepared, label: Label, split: str) -> Labelled:
    """One entry a distinct item of the label's modality in a split; an item's first known value counts."""
    rows = torch.from_numpy(prepared.corpus.rows(split))
    item = prepared.item[label.modality][rows]
    values = torch.from_numpy(label.values)[rows]
    subject = prepared.group if prepared.corpus.subject is None else torch.from_numpy(prepared.corpus.subject)
    subject = subject[rows]
    known = (item >= 0) & ~values.isnan()
    item, values, subject = item[known], values[known], subject[known]
    order = torch.argsort(item, stable=True)
    item, values, subject = item[order], values[order], subject[order]
    first = torch.ones(len(item), dtype=torch.bool)
    first[1:] = item[1:] != item[:-1]
    return Labelled(item[first], values[first], subject[first])


def require_labels(prepared: Prepared, *, prompts: bool) -> Mapping[str, Label]:
    """The labels of a corpus, those with prompts only where they are needed.

    Raises:
        UserError: There is none.
    """
    labels = {n: label for n, label in prepared.corpus.labels.items() if label.prompts or not prompts}
    if not labels:
        missing = "labels with prompts" if prompts else "labels"
        raise UserError(
            f"corpus {prepared.corpus.name} has no {missing}, which this evaluation scores; "
            "choose a corpus that has some with --data, or another evaluation with --on retrieval."
        )
    return labels
