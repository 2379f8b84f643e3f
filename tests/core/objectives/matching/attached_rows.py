"""A batch with further texts attached to its rows, and forwards through which objectives see its numbers unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from crossmod.contracts.batch import AttachedInputs, Batch
from crossmod.contracts.tower import Features
from crossmod.vectors.inputs import VectorInputs


class Plain:
    """Towers and projections that change nothing; the tokens of an input are it and its turn."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def tower(self, modality: str) -> Any:
        return lambda inputs: Features(inputs.values)

    def features(self, modality: str) -> Features:
        values = self.embedding(modality)
        return Features(values, torch.stack([values, values.roll(1, 1)], 1))

    def embedding(self, modality: str) -> Tensor:
        values: Tensor = self._batch.inputs[modality].values
        return values

    def project(self, modality: str, pooled: Tensor) -> Tensor:
        return pooled


def attached(
    a: Tensor, b: Tensor, group: Tensor, row: Sequence[int], place: Sequence[int], lacking: Sequence[int] = ()
) -> Batch:
    """Rows of a and b, some of which lack a; to those in `row` their b is attached again as "further", turned."""
    there = torch.ones(len(group), dtype=torch.bool)
    there[list(lacking)] = False
    rows, places = (torch.tensor(list(each), dtype=torch.int64) for each in (row, place))
    further = AttachedInputs("b", VectorInputs(b.flip(1)[rows] + 0.5 * b.roll(1, 0)[rows]), rows, places)
    inputs = {"a": VectorInputs(a[there]), "b": VectorInputs(b)}
    present = {"a": there, "b": torch.ones_like(there)}
    return Batch(inputs, present, group, torch.arange(len(group)), {"further": further})
