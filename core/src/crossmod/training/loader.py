"""Batches of consecutive steps, collated by worker processes or between steps."""

from __future__ import annotations

from torch.utils.data import DataLoader, Dataset

from crossmod.contracts.batch import Batch
from crossmod.training.order import BatchOrder
from crossmod.training.prepare import Prepared


class StepBatches(Dataset[Batch]):
    """Item k is this process's part of the batch of step `first + k`.

    Args:
        prepared: The corpus.
        order: Which rows make up which step.
        first: The step to start at; a resumed run starts where the interrupted one stopped.
        stop: One past the last step.
        rank: The number of this process.
        world: How many processes share a batch.
    """

    def __init__(self, prepared: Prepared, order: BatchOrder, *, first: int, stop: int, rank: int, world: int) -> None:
        self.prepared, self.order = prepared, order
        self.first, self.stop, self.rank, self.world = first, stop, rank, world

    def __len__(self) -> int:
        return max(0, self.stop - self.first)

    def __getitem__(self, index: int) -> Batch:
        rows = self.order.rows_at(self.first + index)
        return self.prepared.batch(rows[self.rank :: self.world])


def step_loader(batches: StepBatches, workers: int) -> DataLoader[Batch]:
    """Load the steps in order; `workers` processes collate ahead of the step."""
    return DataLoader(
        batches, batch_size=None, shuffle=False, num_workers=workers, persistent_workers=False, pin_memory=False
    )
