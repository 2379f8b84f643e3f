"""Which rows make up which step: a pure function of seed and step, so that resuming needs no sampler state."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.errors import UserError


class BatchOrder:
    """The rows of every step's batch.

    An epoch visits every unit (a row, or a group of which one row is drawn) once in an order that is drawn from
    the seed and the epoch's number; what does not fill a last batch is left out of that epoch.

    Args:
        rows: [training rows] row numbers that may be drawn.
        group: [training rows] the group of each.
        batch_size: Rows a step, over all processes together.
        draw: "rows" or "groups".
        seed: The run's seed.

    Raises:
        UserError: There are fewer units than one batch needs.
    """

    def __init__(
        self,
        rows: Int64[Tensor, "rows"],
        group: Int64[Tensor, "rows"],
        batch_size: int,
        *,
        draw: str,
        seed: int,
    ) -> None:
        self.batch_size, self.seed = batch_size, seed
        key = group if draw == "groups" else torch.arange(len(rows))
        order = torch.argsort(key, stable=True)
        self._rows = rows[order]
        self._size = torch.unique_consecutive(key[order], return_counts=True)[1]
        self._start = self._size.cumsum(0) - self._size
        self.units = len(self._size)
        self.steps_per_epoch = self.units // batch_size
        if not self.steps_per_epoch:
            raise UserError(
                f"the training split has {self.units} {draw}, fewer than run.batch_size {batch_size}; "
                f"lower it with --run.batch_size {max(2, self.units // 2)}."
            )
        self._epoch, self._shuffled = -1, torch.empty(0, dtype=torch.int64)

    def rows_at(self, step: int) -> Int64[Tensor, "batch"]:
        """The rows of the global batch of one step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._shuffled = epoch, self._shuffle(epoch)
        start = position * self.batch_size
        return self._shuffled[start : start + self.batch_size]

    def _shuffle(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(mix_seed(self.seed, epoch))
        unit = torch.randperm(self.units, generator=generator)
        within = torch.rand(self.units, generator=generator, dtype=torch.float64)
        return self._rows[self._start[unit] + (within * self._size[unit]).long()]


def mix_seed(*parts: int) -> int:
    """One well-mixed 63-bit seed from several small numbers (the finaliser of splitmix64, folded)."""
    mixed = 0x9E3779B97F4A7C15
    for part in parts:
        mixed = (mixed ^ (part & 0xFFFFFFFFFFFFFFFF)) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 31
    return mixed >> 1
