"""Run every modality's processor over the corpus, in worker processes, and set aside what cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.contracts.batch import Batch, Inputs
from crossmod.contracts.corpus import Column, Corpus, Rejected
from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod.training.attach import AttachedItems, keep_attached
from crossmod.workers import map_chunks


class TooManyRejectedError(UserError):
    """More items were rejected than a run accepts.

    Args:
        message: The sentence.
        rejected: All of them, for the rejects file.
    """

    def __init__(self, message: str, rejected: Sequence[Rejected]) -> None:
        super().__init__(message)
        self.rejected = rejected


OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Prepared:
    """A corpus whose items are inputs, ready to batch.

    Args:
        corpus: The rows that stayed.
        inputs: By modality, the inputs of all its items.
        item: By modality, [rows] int64: each row's position in `inputs`, -1 where it lacks the modality.
        group: [rows] int64; see `Corpus.group`.
        rejected: Everything that was set aside, by the reader or by a processor.
        counts: What the processors counted, such as texts that were too long.
        attached: By name, further items of the rows.
    """

    corpus: Corpus
    inputs: Mapping[str, Inputs]
    item: Mapping[str, Int64[Tensor, "rows"]]
    group: Int64[Tensor, "rows"]
    rejected: Sequence[Rejected]
    counts: Mapping[str, int]
    attached: Mapping[str, AttachedItems] = field(default_factory=dict)

    def rows(self, split: str, *modalities: str) -> Int64[Tensor, "rows"]:
        """The rows of a split that hold all of these modalities."""
        rows = torch.from_numpy(self.corpus.rows(split))
        for modality in modalities:
            rows = rows[self.item[modality][rows] >= 0]
        return rows

    def batch(self, rows: Int64[Tensor, "batch"]) -> Batch:
        """Collate rows: one ragged gather a modality."""
        inputs, present = {}, {}
        for modality, item in self.item.items():
            chosen = item[rows]
            present[modality] = chosen >= 0
            inputs[modality] = self.inputs[modality].take(chosen[present[modality]])
        further = {name: entry.collate(self.inputs[entry.modality], rows) for name, entry in self.attached.items()}
        return Batch(inputs, present, self.group[rows], rows, further)


def prepare(
    corpus: Corpus,
    processors: Mapping[str, Processor],
    *,
    workers: int,
    max_rejected: float,
    on_progress: OnProgress = lambda modality, done, total: None,
) -> Prepared:
    """Process every item of a corpus.

    Args:
        corpus: The raw rows.
        processors: By modality; a modality of the corpus without a processor is left out.
        workers: Processes beside this one; 0 works here.
        max_rejected: Largest acceptable share of rejected items.
        on_progress: Called with the modality and the numbers of items done and to do.

    Raises:
        UserError: More items were rejected than `max_rejected` allows, nothing is left, or a worker was killed.
    """
    inputs: dict[str, Inputs] = {}
    keep: dict[str, np.ndarray[Any, Any]] = {}
    counts: dict[str, int] = {}
    rejected = list(corpus.rejected)
    for modality, processor in processors.items():
        if modality not in corpus.columns:
            raise UserError(
                f"corpus {corpus.name} has no {modality}; it has {', '.join(corpus.columns)}. "
                "Choose another corpus or other towers."
            )
        column = corpus.columns[modality]
        parts = _process(processor, modality, column.items, workers, on_progress)
        keep[modality], refused = _accepted(parts, len(column.items), processor.items_a_chunk)
        rejected += [_describe(modality, column, position, reason) for position, reason in refused]
        for part in parts:
            for name, count in part.counts.items():
                counts[name] = counts.get(name, 0) + count
        inputs[modality] = processor.inputs(parts)
    items = sum(len(corpus.columns[modality].items) for modality in processors) + len(corpus.rejected)
    _refuse_too_many(rejected, items, max_rejected)
    kept, item = _drop_rows(corpus, keep)
    group = torch.from_numpy(kept.group.astype(np.int64))
    for modality in processors:
        _require_one_group(kept, modality)
    attached = {name: AttachedItems.of(entry, len(kept)) for name, entry in kept.attached.items()}
    return Prepared(kept, inputs, item, group, rejected, counts, attached)


def _require_one_group(corpus: Corpus, modality: str) -> None:
    column = corpus.columns[modality]
    held = column.item >= 0
    pairs = np.unique(np.stack([column.item[held], corpus.group[held]]), axis=1)
    twice = np.flatnonzero(pairs[0, 1:] == pairs[0, :-1])
    if len(twice):
        item, *groups = pairs[0, twice[0]], *pairs[1, twice[0] : twice[0] + 2]
        raise UserError(
            f"the {modality} of line {_line(column, int(item))} of corpus {corpus.name} stands in the groups "
            f"{groups[0]} and {groups[1]}, and would be a negative of itself; give rows that share an item one group, "
            "or list the item once a group."
        )


def _process(
    processor: Processor, modality: str, items: Sequence[Any], workers: int, on_progress: OnProgress
) -> list[Processed]:
    parts = []
    results = map_chunks(
        processor.process,
        items,
        chunk=processor.items_a_chunk,
        workers=workers,
        smallest=processor.smallest_for_workers,
        what=f"{modality} items",
    )
    for part in results:
        parts.append(part)
        on_progress(modality, min(len(parts) * processor.items_a_chunk, len(items)), len(items))
    return parts or [processor.process([])]


def _accepted(parts: Sequence[Processed], items: int, chunk: int) -> tuple[np.ndarray[Any, Any], list[tuple[int, str]]]:
    """The new position of every item, -1 for rejected ones, and (old position, reason) of those."""
    position = np.full(items, -1, dtype=np.int64)
    refused: list[tuple[int, str]] = []
    accepted = 0
    for number, part in enumerate(parts):
        start = number * chunk
        position[start + part.accepted] = np.arange(accepted, accepted + len(part.accepted))
        accepted += len(part.accepted)
        refused += [(start + where, reason) for where, reason in part.rejected]
    return position, refused


def _describe(modality: str, column: Column, position: int, reason: str) -> Rejected:
    return Rejected(modality, _line(column, position), str(column.items[position])[:200], reason)


def _line(column: Column, position: int) -> int:
    return column.lines[position] if column.lines is not None else position + 1


def _refuse_too_many(rejected: Sequence[Rejected], items: int, largest: float) -> None:
    share = len(rejected) / max(1, items)
    if share > largest:
        first = rejected[0]
        raise TooManyRejectedError(
            f"{len(rejected)} of {items} items cannot be used ({share:.1%}, more than --data.max_rejected "
            f"{largest:g}); the first is line {first.line} ({first.modality}): {first.reason}. "
            "Mend the file or raise --data.max_rejected.",
            rejected,
        )


def _drop_rows(corpus: Corpus, keep: Mapping[str, Any]) -> tuple[Corpus, dict[str, Tensor]]:
    """Drop the rows that hold a rejected item, and the items with them."""
    usable = np.ones(len(corpus), dtype=bool)
    for modality, position in keep.items():
        held = corpus.columns[modality].item
        usable &= (held < 0) | (position[held] >= 0)
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise UserError(f"corpus {corpus.name} has no usable row; look at it with `crossmod data look`.")
    columns: dict[str, Column] = {}
    item: dict[str, Tensor] = {}
    for modality, position in keep.items():
        column = corpus.columns[modality]
        old = column.item[rows]
        new = np.where(old >= 0, position[old], -1).astype(np.int64)
        stay: list[int] = np.flatnonzero(position >= 0).tolist()
        lines = None if column.lines is None else [column.lines[i] for i in stay]
        columns[modality] = Column([column.items[i] for i in stay], new, lines)
        item[modality] = torch.from_numpy(new)
    kept = replace(
        corpus,
        columns=columns,
        ids=[corpus.ids[row] for row in rows.tolist()],
        group=corpus.group[rows],
        split=corpus.split[rows],
        weight=None if corpus.weight is None else corpus.weight[rows],
        subject=None if corpus.subject is None else corpus.subject[rows],
        labels={name: replace(label, values=label.values[rows]) for name, label in corpus.labels.items()},
        attributes={name: values[rows] for name, values in corpus.attributes.items()},
        attached=keep_attached(corpus, rows, keep),
    )
    return kept, item
