"""A corpus: rows of raw items by modality, before any encoder has seen them (torch-free).

A row is one observation: a molecule with one of its texts, a study with one of its reports. Items are stored
once and rows point at them, so a molecule with five names is one structure, five texts and five rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SPLITS = ("train", "validation", "test")
"""The names that a split column may hold; a row whose split is the empty text takes part in none of them."""


@dataclass(frozen=True)
class Column:
    """The raw items of one modality, and which of them each row holds.

    Args:
        items: The distinct items (SMILES texts, sentences, paths), in the form the processor reads.
        item: [rows] int64, the position in `items` of each row's item; -1 where the row lacks this modality.
        lines: For each item, the 1-based line of the source file it came from; used in the rejects file.
    """

    items: Sequence[Any]
    item: npt.NDArray[np.int64]
    lines: Sequence[int] | None = None


@dataclass(frozen=True)
class Rejected:
    """One item that could not be used: which modality, which line of the source, the item itself, and why."""

    modality: str
    line: int
    item: str
    reason: str


@dataclass(frozen=True)
class Corpus:
    """Rows of raw items by modality.

    Args:
        name: What the run report calls this corpus.
        columns: Modality name to its items.
        ids: [rows] the identifier of each row's subject, as the source has it.
        group: [rows] int64; rows with equal numbers describe the same thing and are never each other's
            negatives.
        split: [rows] one of `SPLITS`, or the empty text for rows that only serve as candidates.
        facts: What a reader of the model card should know (source, licence, "generated"), as JSON values.
        rejected: Rows that the reader itself could not use.
    """

    name: str
    columns: Mapping[str, Column]
    ids: Sequence[str]
    group: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]
    facts: Mapping[str, Any] = field(default_factory=dict)
    rejected: Sequence[Rejected] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, *splits: str) -> npt.NDArray[np.int64]:
        """The rows whose split is one of `splits`, in the order of the source."""
        return np.flatnonzero(np.isin(self.split, splits)).astype(np.int64)

    def training_items(self, modality: str) -> list[Any]:
        """The distinct items that training rows hold; a vocabulary is learned on these alone."""
        column = self.columns[modality]
        used = np.unique(column.item[self.rows("train")])
        return [column.items[i] for i in used if i >= 0]


@dataclass(frozen=True)
class Source:
    """Where a corpus was read from, for messages: a file and, where it has them, its columns."""

    path: Path
    columns: tuple[str, ...] = ()
