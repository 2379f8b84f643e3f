"""Interleaved timing, peak memory of a child process, and the table of results."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Result(NamedTuple):
    """One measured ratio.

    Args:
        what: What was measured.
        ours: Our figure, with its unit.
        peer: The peer's figure, or the bound.
        ratio: Which way round, as written in `goal`.
        goal: What it should be.
        met: Whether it is.
    """

    what: str
    ours: str
    peer: str
    ratio: str
    goal: str
    met: bool


def interleaved(cases: Mapping[str, Callable[[], object]], rounds: int, *, warmups: int = 1) -> dict[str, float]:
    """Median processor seconds of every case; each round runs all of them, so that drift hits them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(warmups + rounds):
        for name, run in cases.items():
            gc.collect()
            start = time.process_time()
            run()
            if number >= warmups:
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def reset_peak() -> None:
    """Set the kernel's high-water mark of this process back to its present size (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def memory_mib(field: str) -> float:
    """`VmHWM` (peak) or `VmRSS` (present) of this process in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/self/status has no {field}; memory is measured on Linux")


def table(results: list[Result]) -> str:
    """The results as Markdown."""
    head = ["| what | ours | peer or bound | ratio | goal | met |", "|---|---|---|---|---|---|"]
    rows = [f"| {r.what} | {r.ours} | {r.peer} | {r.ratio} | {r.goal} | {'yes' if r.met else 'no'} |" for r in results]
    return "\n".join([*head, *rows])
