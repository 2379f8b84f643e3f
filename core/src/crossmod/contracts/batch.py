"""Minibatches: one `Inputs` a modality, the groups that are never negatives, and who is present."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


@runtime_checkable
class Inputs(Protocol):
    """The inputs of one modality: dense, ragged, graph, cloud, volume or text.

    The same class holds a whole corpus and a minibatch: `take` gathers samples, so collation is one call.
    """

    def __len__(self) -> int:
        """The number of samples."""
        ...

    def take(self, index: Int64[Tensor, "samples"]) -> Self:
        """The samples at `index`, in that order; an index may repeat."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """The same samples on another device."""
        ...


@dataclass(frozen=True)
class AttachedInputs:
    """Further inputs of a batch's rows under one name (`Corpus.attached`).

    Args:
        modality: Whose tower encodes them.
        inputs: Of all of them, in the order of the rows.
        row: [attached] int64; the row of the batch that each belongs to, ascending.
        place: [attached] int64; which token of the described input each speaks of, -1 where it speaks of the whole.
    """

    modality: str
    inputs: Inputs
    row: Int64[Tensor, "attached"]
    place: Int64[Tensor, "attached"]

    def to(self, device: torch.device | str) -> AttachedInputs:
        """The same inputs on another device."""
        return AttachedInputs(self.modality, self.inputs.to(device), self.row.to(device), self.place.to(device))

    def of_rows(self, start: int, stop: int) -> AttachedInputs:
        """Those of the rows from `start` to before `stop`, which are counted from 0 then."""
        chosen = ((self.row >= start) & (self.row < stop)).nonzero()[:, 0]
        return AttachedInputs(self.modality, self.inputs.take(chosen), self.row[chosen] - start, self.place[chosen])


@dataclass(frozen=True)
class Batch:
    """One minibatch.

    Args:
        inputs: By modality, the inputs of the rows that have that modality, in the order of the rows.
        present: By modality, [batch] bool: which rows have it. `inputs[m]` has `present[m].sum()` samples.
        group: [batch] int64; equal numbers describe the same thing and are never negatives of each other.
        sample: [batch] int64; the row of the corpus, for per-sample statistics and resume.
        attached: By name, further inputs of the rows, where the corpus has any.
    """

    inputs: Mapping[str, Inputs]
    present: Mapping[str, Bool[Tensor, "batch"]]
    group: Int64[Tensor, "batch"]
    sample: Int64[Tensor, "batch"]
    attached: Mapping[str, AttachedInputs] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.group.shape[0])

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(
            inputs={name: inputs.to(device) for name, inputs in self.inputs.items()},
            present={name: mask.to(device) for name, mask in self.present.items()},
            group=self.group.to(device),
            sample=self.sample.to(device),
            attached={name: further.to(device) for name, further in self.attached.items()},
        )

    def split(self, size: int) -> list[Batch]:
        """Consecutive batches of at most `size` rows."""
        offsets = {name: torch.cumsum(mask, 0) - mask.long() for name, mask in self.present.items()}
        parts = []
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            inputs = {
                name: self.inputs[name].take(offsets[name][rows][mask[rows]]) for name, mask in self.present.items()
            }
            present = {name: mask[rows] for name, mask in self.present.items()}
            further = {name: entry.of_rows(start, start + size) for name, entry in self.attached.items()}
            parts.append(Batch(inputs, present, self.group[rows], self.sample[rows], further))
        return parts

    def common(self, a: str, b: str) -> tuple[Int64[Tensor, "pairs"], Int64[Tensor, "pairs"], Int64[Tensor, "pairs"]]:
        """Positions among the inputs of `a` and of `b` of the rows that have both, and those rows' groups."""
        both = self.present[a] & self.present[b]
        position_a = (torch.cumsum(self.present[a], 0) - 1)[both]
        position_b = (torch.cumsum(self.present[b], 0) - 1)[both]
        return position_a, position_b, self.group[both]
