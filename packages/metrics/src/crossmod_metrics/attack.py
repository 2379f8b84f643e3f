"""Attack success: how many of the queries that were right on clean input are wrong after an attack.

ASR@k = |C \\ C'| / |C|, C the queries whose truth ranked within k on clean data and C' those that it does after the
attack (SGA, arXiv:2307.14061; C-PGC uses the same). Queries that were wrong before never count. These are shares from
0 to 1, as recall is in this package; the papers print percent. A lower value is a more robust model.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_equal_lengths, require_finite, require_rows


@dataclass(frozen=True)
class AttackSuccess:
    """What an attack did to one direction of retrieval.

    Attributes:
        rate: share of the queries that were right at k and no longer are, by k; NaN where none was right.
        right_before: number of queries that were right at k on clean data, by k: what `rate` divides by.
        right_after: number of all queries that are right at k under attack, by k.
        queries: number of queries.
    """

    rate: Mapping[int, float]
    right_before: Mapping[int, int]
    right_after: Mapping[int, int]
    queries: int


@dataclass(frozen=True)
class TransferTable:
    """Attack success at k of inputs made on one model (a row) and shown to another (a column).

    Compare rates of one column: a target that separates its candidates faintly is fooled by noise of the same budget
    too, and may fall to another model's inputs more often than that model does. A row of noise shows it.

    Attributes:
        rate: [sources, targets] float64; NaN where the target was never right on clean data.
        sources: what the inputs were made on, by row.
        targets: what they were shown to, by column.
        k: the cut of the ranks.

    Shape: rate (sources, targets).
    """

    rate: Float[Tensor, "sources targets"]
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    k: int

    def white_box(self) -> dict[str, float]:
        """Return the success of every source on itself."""
        return {
            name: float(self.rate[row, self.targets.index(name)])
            for row, name in enumerate(self.sources)
            if name in self.targets
        }

    def mean_transfer(self, source: str) -> float:
        """Return the mean success on targets other than the source; NaN where there is none or one is NaN.

        Raises: ValueError where the table has no such source.
        """
        if source not in self.sources:
            raise ValueError(f"the table has no source {source!r}; it has {', '.join(self.sources)}.")
        row = self.rate[self.sources.index(source)]
        others = [float(rate) for name, rate in zip(self.targets, row, strict=True) if name != source]
        return sum(others) / len(others) if others else math.nan


def attack_success(
    before: Shaped[Tensor, " queries"], after: Shaped[Tensor, " queries"], ks: Sequence[int] = (1, 5, 10)
) -> AttackSuccess:
    """Attack success rate at k from the ranks of the same queries before and after, |C \\ C'| / |C|.

    Shape: before and after (queries,), ranks from 1, as `ranks` gives them.

    Raises: ValueError for no rank, lengths that differ, a rank below 1 or not finite, or a k below 1.

    Warns: UserWarning where no query is right at some k on clean data; the rate there is NaN.

    >>> found = attack_success(torch.tensor([1.0, 1.0, 3.0, 9.0]), torch.tensor([1.0, 4.0, 1.0, 9.0]), ks=(1, 5))
    >>> found.rate, found.right_before, found.right_after
    ({1: 0.5, 5: 0.0}, {1: 2, 5: 3}, {1: 2, 5: 3})
    """
    _require_ranks("before", before)
    _require_ranks("after", after)
    require_equal_lengths(("before", "after"), (before, after))
    if not ks or min(ks) < 1:
        raise ValueError(f"ks is {tuple(ks)}; give the cuts of the ranks as numbers from 1.")
    rate, right_before, right_after = {}, {}, {}
    for k in ks:
        was, still = before <= k, after <= k
        right_before[k], right_after[k] = int(was.sum()), int(still.sum())
        rate[k] = int((was & ~still).sum()) / right_before[k] if right_before[k] else math.nan
    never = [k for k in ks if not right_before[k]]
    if never:
        warnings.warn(
            f"no query is right at k = {', '.join(map(str, never))} before the attack, so its success there is NaN.",
            UserWarning,
            stacklevel=2,
        )
    return AttackSuccess(rate, right_before, right_after, queries=len(before))


def transfer_table(
    before: Mapping[str, Shaped[Tensor, " queries"]],
    after: Mapping[str, Mapping[str, Shaped[Tensor, " queries"]]],
    k: int = 1,
) -> TransferTable:
    """Attack success at k of every source on every target.

    Shape: before[target] and after[source][target] (queries,), ranks from 1.

    Args:
        before: by target, the ranks on clean input.
        after: by source and target, the ranks that the target gives to inputs made on the source.
        k: the cut of the ranks.

    Raises: ValueError for no source or target, a source without the ranks of a target, or as `attack_success`.

    >>> clean = {"x": torch.ones(4), "y": torch.ones(4)}
    >>> made = {"x": {"x": torch.full((4,), 9.0), "y": torch.tensor([1.0, 1.0, 1.0, 9.0])}}
    >>> transfer_table(clean, made).rate.tolist()
    [[1.0, 0.25]]
    """
    if not before or not after:
        raise ValueError(f"there are {len(after)} source(s) and {len(before)} target(s); give at least one of each.")
    for source, found in after.items():
        if found.keys() != before.keys():
            raise ValueError(
                f"source {source!r} was shown to {', '.join(found) or 'no target'}, but clean ranks are there for "
                f"{', '.join(before)}; give both for the same targets."
            )
    rows = [
        [attack_success(clean, after[source][target], (k,)).rate[k] for target, clean in before.items()]
        for source in after
    ]
    return TransferTable(torch.tensor(rows, dtype=torch.float64), tuple(after), tuple(before), k)


def _require_ranks(name: str, ranks: Shaped[Tensor, " queries"]) -> None:
    require_rows(name, ranks, 1)
    require_finite(name, ranks)
    if float(ranks.min()) < 1:
        raise ValueError(f"{name} holds a rank of {float(ranks.min())}; ranks start at 1.")
