"""Percentile bootstrap intervals, resampled by group: the patient or the molecule, not its rows, is what
repeats.

Every function draws from a CPU generator of its own, seeded by the caller, so an interval is the same on
every device and does not disturb the global random state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_equal_lengths, require_finite, require_rows

_DRAWS_AT_ONCE = 2**22  # resampled groups in memory at one time: 32 MiB of indices


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile interval.

    Attributes:
        estimate: the statistic of the sample itself.
        low: lower end of the interval.
        high: upper end of the interval.
        standard_error: standard deviation over the resamples.
        confidence: share of the resamples inside the interval.
        groups: number of groups that were resampled.
        resamples: number of resamples.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    confidence: float
    groups: int
    resamples: int


def bootstrap_mean(
    values: Shaped[Tensor, " samples"],
    group: Int64[Tensor, " samples"] | None = None,
    *,
    seed: int,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Interval of a mean over samples: recall@k (values = ranks <= k), MRR (1 / ranks), accuracy, mean error.

    Groups are drawn with replacement, and the mean is that of all samples of the drawn groups. For the
    difference of two models on the same samples (the paired bootstrap) pass the differences of their values.

    Shape: values (samples,), group (samples,); None makes every sample its own group.

    Raises: ValueError for empty or non-finite values, lengths that differ, or a confidence outside 0 to 1.

    >>> found = bootstrap_mean(torch.tensor([1.0, 0.0, 1.0, 1.0]), seed=0)
    >>> found.estimate, found.groups
    (0.75, 4)
    """
    require_rows("values", values, 1)
    wide = values.detach().double().cpu()
    require_finite("values", wide)
    _require_settings(resamples, confidence)
    index, groups = _group_index(group, len(values), "values", values)
    total = torch.bincount(index, wide, minlength=groups)
    count = torch.bincount(index, minlength=groups).double()
    drawn = [total[draw].sum(dim=1) / count[draw].sum(dim=1) for draw in _draws(groups, resamples, seed)]
    return _interval(float(wide.mean()), torch.cat(drawn), confidence, groups)


def bootstrap_statistic(
    statistic: Callable[[Int64[Tensor, " drawn"]], float],
    samples: int,
    group: Int64[Tensor, " samples"] | None = None,
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """Interval of any statistic that is not a mean (AUC, median rank, correlation), as a function of sample
    indices. Where it is not defined on a resample (an AUC of one class alone) it may return NaN: that resample
    does not count.

    Shape: group (samples,); `statistic` gets an index vector, with repeats, into the samples.

    Raises: ValueError for no sample, lengths that differ, a confidence outside 0 to 1, or a statistic that is NaN
    on all resamples but one; what `statistic` raises.

    >>> ranks = torch.tensor([1.0, 3.0, 2.0])
    >>> bootstrap_statistic(lambda drawn: float(ranks[drawn].median()), 3, seed=0).estimate
    2.0
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; there is nothing to resample.")
    _require_settings(resamples, confidence)
    everything = torch.arange(samples)
    index, groups = _group_index(group, samples, "samples", everything)
    order = torch.sort(index, stable=True).indices
    count = torch.bincount(index, minlength=groups)
    first = torch.cumsum(count, 0) - count
    values = []
    for draw in _draws(groups, resamples, seed):
        values += [statistic(_members(order, first, count, chosen)) for chosen in draw]
    drawn = torch.tensor(values, dtype=torch.float64)
    drawn = drawn[~drawn.isnan()]
    if len(drawn) < 2:
        raise ValueError(
            f"the statistic is NaN on {resamples - len(drawn)} of {resamples} resamples; it needs more groups."
        )
    return _interval(float(statistic(everything)), drawn, confidence, groups)


def _members(
    order: Int64[Tensor, " samples"],
    first: Int64[Tensor, " groups"],
    count: Int64[Tensor, " groups"],
    chosen: Int64[Tensor, " drawn"],
) -> Int64[Tensor, " members"]:
    """Samples of the chosen groups, one run after the other."""
    size = count[chosen]
    offset = torch.repeat_interleave(first[chosen] - (torch.cumsum(size, 0) - size), size)
    return order[torch.arange(len(offset)) + offset]


def _draws(groups: int, resamples: int, seed: int) -> Iterator[Int64[Tensor, "part groups"]]:
    """Blocks of resamples; the stream of draws is one, so the block size changes nothing."""
    generator = torch.Generator().manual_seed(seed)
    block = max(1, _DRAWS_AT_ONCE // groups)
    for start in range(0, resamples, block):
        part = min(block, resamples - start)
        yield torch.randint(groups, (part, groups), generator=generator)


def _group_index(
    group: Int64[Tensor, " samples"] | None, samples: int, name: str, values: Tensor
) -> tuple[Int64[Tensor, " samples"], int]:
    if group is None:
        return torch.arange(samples), samples
    require_equal_lengths((name, "group"), (values, group))
    kinds, index = torch.unique(group.cpu(), return_inverse=True)
    return index, len(kinds)


def _require_settings(resamples: int, confidence: float) -> None:
    if resamples < 2:
        raise ValueError(f"resamples is {resamples}; give at least two.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; give a share between 0 and 1, such as 0.95.")


def _interval(estimate: float, drawn: Float[Tensor, " resamples"], confidence: float, groups: int) -> Interval:
    tail = (1.0 - confidence) / 2
    low, high = torch.quantile(drawn, drawn.new_tensor([tail, 1.0 - tail])).tolist()
    return Interval(estimate, low, high, float(drawn.std()), confidence, groups, len(drawn))
