"""A corpus: rows of raw items by modality, before any encoder has seen them (torch-free).

A row is one observation: a molecule with one of its texts, a study with one of its reports. Items are stored
once and rows point at them, so a molecule with five names is one structure, five texts and five rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
class Attached:
    """Further items of rows beside the one that a row holds of each modality, as objectives with events need them.

    Such as a row's text with its events told in another order, or captions of single moments of a recording.

    Args:
        modality: Whose items they are, and whose tower encodes them.
        row: [attached] int64, the row that each belongs to.
        item: [attached] int64, the position of each in that modality's `Column.items`; rows may hold it as well.
        place: [attached] int64, which token of the described input each speaks of (frame 3, slab 0), counted from 0;
            None where they speak of the whole.
    """

    modality: str
    row: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Label:
    """What is known of the rows besides their items; zero-shot and probes are scored on it.

    Args:
        values: [rows] float64; the position in `classes`, or a measured value; NaN where nothing is known.
        classes: Names of the classes; empty for a measured value.
        prompts: For each class, sentences that say of a row that it belongs to it; empty offers no zero-shot.
        modality: The modality that the label describes, which is the one that is classified.
    """

    values: npt.NDArray[np.float64]
    modality: str
    classes: tuple[str, ...] = ()
    prompts: Mapping[str, Sequence[str]] = field(default_factory=dict)


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
            negatives. Rows that share an item share the group.
        split: [rows] one of `SPLITS`, or the empty text for rows that only serve as candidates.
        facts: What a reader of the model card should know (source, licence, "generated"), as JSON values.
        rejected: Rows that the reader itself could not use.
        labels: By name, what zero-shot and probes are scored on.
        weight: [rows] how often training draws a row, against others: under `run.draw groups` an epoch visits a
            group as often as its heaviest row weighs (rounded) and draws its rows in proportion; under `rows` it
            visits each row that often. None weighs all rows 1.
        subject: [rows] int64; rows with equal numbers come from one patient, place or author, whose studies are not
            independent of one another: no subject stands in two splits, and intervals resample subjects. None takes
            every group for a subject of its own.
        attributes: By name (age, sex, scanner), what is known of each row's subject or device, [rows] text, nothing
            where it is unknown. No tower sees them; the `subgroups` evaluation scores the rows of every value apart.
        attached: By name, further items of rows; only objectives that ask for a name see them.
    """

    name: str
    columns: Mapping[str, Column]
    ids: Sequence[str]
    group: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]
    facts: Mapping[str, Any] = field(default_factory=dict)
    rejected: Sequence[Rejected] = ()
    labels: Mapping[str, Label] = field(default_factory=dict)
    weight: npt.NDArray[np.float64] | None = None
    subject: npt.NDArray[np.int64] | None = None
    attributes: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    attached: Mapping[str, Attached] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, *splits: str) -> npt.NDArray[np.int64]:
        """The rows whose split is one of `splits`, in the order of the source."""
        return np.flatnonzero(np.isin(self.split, splits)).astype(np.int64)

    def training_items(self, modality: str) -> list[Any]:
        """The distinct items that training rows hold or have attached; a vocabulary is learned on these alone."""
        column, rows = self.columns[modality], self.rows("train")
        attached = [
            entry.item[np.isin(entry.row, rows)] for entry in self.attached.values() if entry.modality == modality
        ]
        used = np.unique(np.concatenate([column.item[rows], *attached]))
        return [column.items[i] for i in used if i >= 0]
