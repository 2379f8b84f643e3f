"""How a matrix of logits is cut into tiles that are formed one at a time in one reused buffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from crossmod_kernels.products import product_into


class Tile(NamedTuple):
    """One rectangle of the logits; `number` counts in the order of the walk, row band by row band."""

    rows: slice
    columns: slice
    number: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a `rows` by `columns` matrix."""

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int

    @classmethod
    def of(cls, rows: int, columns: int, tile: tuple[int, int]) -> TilePlan:
        """Cut `rows` by `columns` into tiles of at most `tile`."""
        return cls(rows, columns, min(tile[0], rows), min(tile[1], columns))

    @property
    def column_tiles(self) -> int:
        return -(-self.columns // self.tile_columns)

    @property
    def count(self) -> int:
        return -(-self.rows // self.tile_rows) * self.column_tiles

    def __iter__(self) -> Iterator[Tile]:
        number = 0
        for row in range(0, self.rows, self.tile_rows):
            for column in range(0, self.columns, self.tile_columns):
                yield Tile(
                    slice(row, min(row + self.tile_rows, self.rows)),
                    slice(column, min(column + self.tile_columns, self.columns)),
                    number,
                )
                number += 1

    def number_of(self, row: Tensor, column: Tensor) -> Tensor:
        """The number of the tile that holds each element."""
        return (row // self.tile_rows) * self.column_tiles + column // self.tile_columns

    def place_of(self, row: Tensor, column: Tensor) -> Tensor:
        """The flat place of each element inside its own contiguous tile."""
        width = (self.columns - column // self.tile_columns * self.tile_columns).clamp(max=self.tile_columns)
        return (row % self.tile_rows) * width + column % self.tile_columns

    def buffer(self, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Room for one tile."""
        return like.new_empty(self.tile_rows * self.tile_columns, dtype=dtype)


def shaped(buffer: Tensor, tile: Tile) -> Tensor:
    """The start of `buffer` as one contiguous tile, so that flat places address it whatever its width."""
    height, width = tile.shape
    return buffer[: height * width].view(height, width)


class KeptTiles:
    """The exponentials of every tile, kept from the forward pass for the backward pass."""

    def __init__(self, plan: TilePlan, like: Tensor, dtype: torch.dtype) -> None:
        self.columns = plan.columns
        self.storage = like.new_empty(plan.rows * plan.columns, dtype=dtype)

    def __getitem__(self, tile: Tile) -> Tensor:
        height, width = tile.shape
        start = tile.rows.start * self.columns + height * tile.columns.start
        return self.storage[start : start + height * width].view(height, width)


@dataclass(frozen=True)
class Logits:
    """Logits scale * a b' that exist one tile at a time. Shape: a (rows, dim); b (columns, dim)."""

    a: Tensor
    b: Tensor
    scale: float
    plan: TilePlan

    def into(self, buffer: Tensor, tile: Tile, offset: float = 0.0) -> Tensor:
        """Form one tile of the logits, plus `offset`, in `buffer`."""
        a, b = self.a[tile.rows], self.b[tile.columns].t()
        return product_into(shaped(buffer, tile), a, b, scale=self.scale, offset=offset)
