"""Which rows make up which step: a pure function of seed and step, so that resuming needs no sampler state."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.errors import UserError


class BatchOrder:
    """The rows of every step's batch.

    An epoch visits every unit (a row, or a group of which one row is drawn) as often as it weighs, in an order that
    is drawn from the seed and the epoch's number; what does not fill a last batch is left out of that epoch.

    Args:
        rows: [training rows] row numbers that may be drawn.
        group: [training rows] the group of each.
        batch_size: Rows a step, over all processes together.
        draw: "rows" or "groups".
        seed: The run's seed.
        weight: [training rows] see `Corpus.weight`; None weighs all rows 1.

    Raises:
        UserError: There are fewer units than one batch needs, or a weight is not positive.
    """

    def __init__(
        self,
        rows: Int64[Tensor, "rows"],
        group: Int64[Tensor, "rows"],
        batch_size: int,
        *,
        draw: str,
        seed: int,
        weight: Float[Tensor, "rows"] | None = None,
    ) -> None:
        self.batch_size, self.seed = batch_size, seed
        weight = torch.ones(len(rows), dtype=torch.float64) if weight is None else weight.double()
        if not bool((weight > 0).all()):
            raise UserError("a training row has a weight that is not positive; leave such rows out of the corpus.")
        key = group if draw == "groups" else torch.arange(len(rows))
        order = torch.argsort(key, stable=True)
        self._rows = rows[order]
        # Rows of a unit stand together, so one running sum of weights serves every draw within a unit.
        self._reached = weight[order].cumsum(0)
        size = torch.unique_consecutive(key[order], return_counts=True)[1]
        last = size.cumsum(0) - 1
        self._high = self._reached[last]
        self._low = torch.cat([self._high.new_zeros(1), self._high[:-1]])
        unit = torch.repeat_interleave(torch.arange(len(size)), size)
        heaviest = weight.new_zeros(len(size)).scatter_reduce(0, unit, weight[order], "amax")
        self._visits = torch.repeat_interleave(torch.arange(len(size)), heaviest.round().clamp(min=1).long())
        self.units = len(self._visits)
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
        unit = self._visits[torch.randperm(self.units, generator=generator)]
        share = torch.rand(self.units, generator=generator, dtype=torch.float64)
        point = self._low[unit] + share * (self._high[unit] - self._low[unit])
        place = torch.searchsorted(self._reached, point, right=True)
        return self._rows[place.clamp(max=len(self._rows) - 1)]


def mix_seed(*parts: int) -> int:
    """One well-mixed 63-bit seed from several small numbers (the finaliser of splitmix64, folded)."""
    mixed = 0x9E3779B97F4A7C15
    for part in parts:
        mixed = (mixed ^ (part & 0xFFFFFFFFFFFFFFFF)) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 31
    return mixed >> 1
