"""The loss of every sample of a corpus over time: what noise estimates and curricula read."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.state.gathered_rows import gather_rows


class SampleStatistics(nn.Module):
    """A table by sample index: an exponential moving average of the loss, its latest value, how often it was seen.

    average <- decay * average + (1 - decay) * loss; the first observation is the average. A sample that occurs twice
    in one update counts once, with the mean of its losses. Under torch.distributed the observations of all processes
    enter every table, so the tables agree with each other and with that of one process on the whole batch. The
    table is checkpointed with whoever holds it (NEVLP and NLIP fit their noise model on such a table).

    Args:
        samples: Rows of the corpus; `Batch.sample` indexes them.
        decay: Weight of the past; 0 keeps the latest loss.

    Attributes:
        average: [samples] float32; NaN where a sample was never seen.
        latest: [samples] float32; NaN where a sample was never seen.
        count: [samples] int64; updates in which the sample occurred.

    Raises:
        ValueError: There are no samples, or the decay lies outside [0, 1).
    """

    average: Tensor
    latest: Tensor
    count: Tensor

    def __init__(self, samples: int, decay: float = 0.9) -> None:
        super().__init__()
        if samples < 1 or not 0 <= decay < 1:
            raise ValueError(f"{samples} samples with decay {decay}: give at least one sample and a decay in [0, 1).")
        self.decay = decay
        self.register_buffer("average", torch.full((samples,), torch.nan))
        self.register_buffer("latest", torch.full((samples,), torch.nan))
        self.register_buffer("count", torch.zeros(samples, dtype=torch.int64))

    def __len__(self) -> int:
        """Samples of the corpus, seen or not."""
        return len(self.count)

    @torch.no_grad()
    def update_(self, sample: Int64[Tensor, "batch"], loss: Float[Tensor, "batch"]) -> None:
        """Record one loss a row, of every process; call on all processes, perhaps with no row.

        Shape:
            sample: [batch] int64, indices into the corpus. loss: [batch].

        Raises:
            ValueError: Shapes differ, an index lies outside the table, or a loss is not finite; the table is left as
                it was.
        """
        if sample.ndim != 1 or sample.shape != loss.shape:
            raise ValueError(
                f"samples of shape {list(sample.shape)} with losses of shape {list(loss.shape)}; give one loss a row."
            )
        sample, loss = gather_rows(sample, loss.to(self.average.dtype))
        if not len(sample):
            return
        if int(sample.min()) < 0 or int(sample.max()) >= len(self):
            raise ValueError(
                f"sample indices run from {int(sample.min())} to {int(sample.max())}, but the table has {len(self)} "
                "rows; make it as long as the corpus."
            )
        if not bool(torch.isfinite(loss).all()):
            place = int(sample[~torch.isfinite(loss)][0])
            raise ValueError(f"the loss of sample {place} is not finite; skip the update of a step that failed.")
        distinct, place, times = torch.unique(sample, return_inverse=True, return_counts=True)
        mean = loss.new_zeros(len(distinct)).index_add_(0, place, loss) / times
        seen = self.count[distinct] > 0
        averaged = self.decay * self.average[distinct] + (1 - self.decay) * mean
        self.average[distinct] = torch.where(seen, averaged, mean)
        self.latest[distinct] = mean
        self.count[distinct] += 1

    def seen(self) -> Int64[Tensor, "seen"]:
        """The indices of the samples that have been seen, ascending."""
        return self.count.nonzero()[:, 0]
