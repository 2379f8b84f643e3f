"""Rows of the similarity matrix, block by block, so that ties do not depend on how the matrix was cut.

A matrix product rounds differently for different block shapes: two copies of one candidate can then differ in
the last bit, and a constant embedding would not tie with itself. Products are therefore summed in double
precision and compared in single precision, which leaves the same 24 bits whatever the blocks were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_finite, require_rows, require_same_width

DEFAULT_MEMORY_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Blocks:
    """How many rows and columns of the similarity matrix are in memory at one time."""

    rows: int
    columns: int


def plan_blocks(
    queries: int, candidates: int, width: int, row_extra_bytes: int, chunk: int | None, memory_bytes: int
) -> Blocks:
    """Split a memory budget: half for whole rows of scores, half for one double-precision block of
    candidates.

    One row is always held, even where it alone passes the budget.

    Raises: ValueError where `chunk` or `memory_bytes` is not positive.
    """
    if memory_bytes < 1:
        raise ValueError(f"memory_bytes is {memory_bytes}; give the working memory as a positive number of bytes.")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}; give the queries per block as a positive number.")
    half = memory_bytes // 2
    row_bytes = 6 * candidates + 8 * width + row_extra_bytes
    rows = chunk if chunk is not None else max(1, half // row_bytes)
    rows = min(rows, queries)
    columns = min(candidates, max(1, half // (8 * (width + rows))))
    return Blocks(rows, columns)


@dataclass(frozen=True)
class Embeddings:
    """A checked matrix of embeddings, with the power of two that brings its largest entry near one.

    The scaling changes no order, and keeps the single-precision comparison away from overflow and underflow.
    """

    values: Shaped[Tensor, "rows dim"]
    exponent: int
    normalise: bool

    @classmethod
    def check(cls, name: str, values: Shaped[Tensor, "rows dim"], *, normalise: bool) -> Embeddings:
        """Refuse an empty, wrongly shaped or non-finite matrix.

        Raises: ValueError.
        """
        require_rows(name, values, 2)
        if not values.is_floating_point():
            raise ValueError(f"{name} is {values.dtype}; pass floating-point embeddings.")
        largest = require_finite(name, values)
        exponent = max(-1000, min(1000, math.frexp(largest)[1]))
        return cls(values, exponent, normalise)

    def double(self, start: int, stop: int) -> Float[Tensor, "block dim"]:
        """Return rows start .. stop in double precision, scaled; of unit length if asked, but for zero rows."""
        # In place on one copy: at 512 dimensions every further copy is as large as half of the working memory.
        block = self.values[start:stop].detach().to(torch.float64, copy=True).mul_(2.0**-self.exponent)
        if self.normalise:
            block.div_(block.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny))
        return block


def score_rows(query: Embeddings, candidates: Embeddings, start: int, blocks: Blocks) -> Float[Tensor, "rows n"]:
    """Scores of queries start .. start + blocks.rows against every candidate.

    Shape: (rows, candidates), float32.
    """
    rows = query.double(start, start + blocks.rows)
    total = len(candidates.values)
    scores = torch.empty(len(rows), total, dtype=torch.float32, device=rows.device)
    for column in range(0, total, blocks.columns):
        # Not held by a name, so that one block is freed before the next is made.
        scores[:, column : column + blocks.columns] = rows @ candidates.double(column, column + blocks.columns).T
    return scores


def check_pair(
    query: Shaped[Tensor, "queries dim"], candidates: Shaped[Tensor, "candidates dim"], *, normalise: bool
) -> tuple[Embeddings, Embeddings]:
    """Check two sides that are to be compared.

    Raises: ValueError where a side is empty or not finite, or the widths differ.
    """
    checked = (
        Embeddings.check("query", query, normalise=normalise),
        Embeddings.check("candidates", candidates, normalise=normalise),
    )
    require_same_width("query", query, "candidates", candidates)
    return checked
