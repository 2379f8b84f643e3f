"""Tiles cover a matrix once, and flat places inside them are right."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_kernels.tile_plan import KeptTiles, Logits, TilePlan, shaped

SIZES = st.integers(1, 13)


@settings(max_examples=80, deadline=None)
@given(rows=SIZES, columns=SIZES, tile=st.tuples(SIZES, SIZES))
def test_every_element_is_in_one_tile_at_the_place_that_is_told(rows, columns, tile):
    plan = TilePlan.of(rows, columns, tile)
    matrix = torch.arange(rows * columns, dtype=torch.float64).view(rows, columns)
    row, column = (
        index.flatten() for index in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    )
    numbers, places = plan.number_of(row, column), plan.place_of(row, column)
    kept = KeptTiles(plan, matrix, matrix.dtype)
    buffer, seen = plan.buffer(matrix), torch.zeros(rows, columns)
    for tile_ in plan:
        seen[tile_.rows, tile_.columns] += 1
        values = shaped(buffer, tile_)
        values.copy_(matrix[tile_.rows, tile_.columns])
        kept[tile_].copy_(values)
        inside = numbers == tile_.number
        assert torch.equal(values.view(-1)[places[inside]], matrix[row[inside], column[inside]])
    assert bool((seen == 1).all())
    assert plan.count == len(list(plan))
    for tile_ in plan:
        assert torch.equal(kept[tile_], matrix[tile_.rows, tile_.columns])


def test_a_buffer_with_rubbish_in_it_does_not_reach_the_logits():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, 3, generator=generator) for size in (4, 5))
    plan = TilePlan.of(4, 5, (3, 2))
    buffer = torch.full((6,), torch.nan)
    for tile in plan:
        found = Logits(a, b, 2.0, plan).into(buffer, tile)
        torch.testing.assert_close(found, 2 * a[tile.rows] @ b[tile.columns].t())
        buffer.fill_(torch.nan)
