from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest

from crossmod.errors import UserError
from crossmod.workers import map_chunks


def _all(items: Sequence[int], workers: int, smallest: int = 0, chunk: int = 3) -> list[int]:
    return list(map_chunks(sum, items, chunk=chunk, workers=workers, smallest=smallest, what="numbers"))


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order_one_a_chunk(workers: int) -> None:
    assert _all(range(10), workers) == [3, 12, 21, 9]


def test_few_items_stay_in_this_process() -> None:
    # A local function cannot be sent to another process, so a pool would fail.
    assert list(map_chunks(lambda part: len(part), [1, 2, 3], chunk=2, workers=2, smallest=4, what="x")) == [2, 1]


def test_no_items_no_results() -> None:
    assert _all([], 2) == []


def test_an_error_of_the_function_arrives_as_it_is() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        list(map_chunks(sum, [1, "a"], chunk=2, workers=0, smallest=0, what="x"))


class Fatal(str):
    """A text that ends the process which unpickles it, as the system does when memory runs out."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (9,)


def test_a_killed_worker_ends_in_one_sentence_with_the_next_command() -> None:
    with pytest.raises(UserError, match=r"was reading texts was killed.*--data\.workers 0"):
        list(map_chunks(len, ["fine", Fatal("x")], chunk=1, workers=2, smallest=0, what="texts"))
