"""Further items of rows, from the corpus to the batch: checked, renumbered with the rows that stayed, and collated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.contracts.batch import AttachedInputs, Inputs
from crossmod.contracts.corpus import Attached, Corpus
from crossmod.errors import UserError
from crossmod.ragged import gather_runs, offsets_of


@dataclass(frozen=True)
class AttachedItems:
    """The further items of a corpus under one name, row by row.

    Args:
        modality: Whose inputs they are.
        offsets: [rows + 1] int64; row i has those from offsets[i] to before offsets[i + 1].
        item: [attached] int64; positions among the modality's inputs.
        place: [attached] int64; -1 where one speaks of the whole.
    """

    modality: str
    offsets: Int64[Tensor, "rows_and_one"]
    item: Int64[Tensor, "attached"]
    place: Int64[Tensor, "attached"]

    @classmethod
    def of(cls, entry: Attached, rows: int) -> AttachedItems:
        """Order what a prepared corpus of so many rows has attached; those of one row stay in their order."""
        order = np.argsort(entry.row, kind="stable")
        place = np.full(len(order), -1, dtype=np.int64) if entry.place is None else entry.place[order]
        counts = torch.from_numpy(np.bincount(entry.row, minlength=rows).astype(np.int64))
        return cls(entry.modality, offsets_of(counts), torch.from_numpy(entry.item[order]), torch.from_numpy(place))

    def collate(self, inputs: Inputs, rows: Int64[Tensor, "batch"]) -> AttachedInputs:
        """Those of the given rows, out of the inputs of their modality."""
        positions, offsets = gather_runs(self.offsets, rows)
        row = torch.repeat_interleave(torch.arange(len(rows)), offsets.diff())
        return AttachedInputs(self.modality, inputs.take(self.item[positions]), row, self.place[positions])


def keep_attached(corpus: Corpus, kept: np.ndarray[Any, Any], keep: Mapping[str, Any]) -> dict[str, Attached]:
    """What is still attached after rows and items were set aside, by their new numbers.

    A rejected item is no longer attached; the row stays. Names of modalities that no tower reads are left out.

    Args:
        corpus: The corpus as it was.
        kept: [rows that stayed] int64, their old numbers, ascending.
        keep: By modality, the new position of every item; -1 where it was rejected.

    Raises:
        UserError: What is attached points at a row or an item that does not exist, or lengths differ.
    """
    renumbered = np.full(len(corpus), -1, dtype=np.int64)
    renumbered[kept] = np.arange(len(kept))
    attached = {}
    for name, entry in corpus.attached.items():
        _check(corpus, name, entry)
        if entry.modality in keep:
            row, item = renumbered[entry.row], keep[entry.modality][entry.item]
            stay = (row >= 0) & (item >= 0)
            place = None if entry.place is None else entry.place[stay].astype(np.int64)
            attached[name] = Attached(entry.modality, row[stay], item[stay].astype(np.int64), place)
    return attached


def _check(corpus: Corpus, name: str, entry: Attached) -> None:
    if entry.modality not in corpus.columns:
        raise UserError(
            f"what corpus {corpus.name} attaches as {name!r} are items of {entry.modality!r}, but it has "
            f"{', '.join(corpus.columns)}."
        )
    if len(entry.row) != len(entry.item) or (entry.place is not None and len(entry.place) != len(entry.row)):
        raise UserError(
            f"corpus {corpus.name} attaches {len(entry.item)} items to {len(entry.row)} rows as {name!r}; give one row "
            "an item, and one place an item or none."
        )
    items = len(corpus.columns[entry.modality].items)
    for what, values, limit in (("row", entry.row, len(corpus)), ("item", entry.item, items)):
        outside = np.flatnonzero((values < 0) | (values >= limit))
        if len(outside):
            raise UserError(
                f"corpus {corpus.name} attaches {what} {int(values[outside[0]])} as {name!r}, but it has {limit} of "
                f"them, counted from 0."
            )
