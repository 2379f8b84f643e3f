"""Several processes of one script, for tests that hold them against one process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist


def run_ranks(worker: Path, world: int, store: Path, *words: str) -> None:
    """Run `worker RANK WORLD STORE WORDS...` once for every rank and wait for all of them.

    Args:
        worker: The script; it takes part through `joined_ranks`.
        world: How many processes; 1 runs it alone, without a process group.
        store: A path that does not exist yet, through which the processes find each other.
        words: Its further arguments.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, str(worker), str(rank), str(world), str(store), *words], stderr=subprocess.PIPE, text=True
        )
        for rank in range(world)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()


@contextmanager
def joined_ranks() -> Iterator[tuple[int, int]]:
    """In a script that `run_ranks` started: join the others on one thread; gives rank and number of processes."""
    rank, world, store = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    yield rank, world
    if world > 1:
        dist.barrier()
        dist.destroy_process_group()
