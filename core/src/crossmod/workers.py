"""A map over chunks of items in worker processes: the one place that starts them (torch-free)."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from crossmod.errors import UserError

Result = TypeVar("Result")


def map_chunks(
    function: Callable[[Sequence[Any]], Result],
    items: Sequence[Any],
    *,
    chunk: int,
    workers: int,
    smallest: int,
    what: str,
) -> Iterator[Result]:
    """Apply a function to consecutive chunks of items and yield the results in order.

    Args:
        function: Picklable, importable by a fresh process; it gets at most `chunk` items.
        items: What to map over.
        chunk: Items a call; large enough to amortise handing them over, small enough for a live count.
        workers: Processes beside this one; 0 works here.
        smallest: Number of items below which starting processes costs more than it saves.
        what: What the items are, for the message.

    Raises:
        UserError: A worker was killed, or could not start.
    """
    chunks = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    if not workers or len(items) < smallest or len(chunks) < 2:
        yield from map(function, chunks)
        return
    # spawn, not fork: threads are already running here, and a forked child may inherit a lock that one of them holds.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(chunks)), mp_context=context)
    try:
        yield from pool.map(function, chunks)
    except BrokenProcessPool:
        raise UserError(
            f"a worker process that was reading {what} was killed, most often for want of memory; run again with "
            "--data.workers 0, which reads in one process (in a script of your own, guard it by "
            "`if __name__ == '__main__':`)."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
