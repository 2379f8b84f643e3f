"""Interleaved timing, peak memory of a child process, and the table of results."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
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


def print_peak(run: Callable[[], object], warm: Callable[[], object], held_mib: float) -> None:
    """Print how many MiB `run` takes at its peak beyond what was there before and the `held_mib` it leaves behind.

    `warm` is a smaller run of the same kind: libraries and compiled kernels that any size needs are not counted.
    """
    warm()
    gc.collect()
    reset_peak()
    before = memory_mib("VmRSS")
    run()
    print(memory_mib("VmHWM") - before - held_mib)


def peak_of_child(module: str, *words: str) -> float:
    """What `print_peak` prints in a fresh process that runs `benchmarks.MODULE WORDS`.

    The allocator of that process gives every freed block back at once, so that its size follows live tensors.
    """
    at_once = {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "131072"}
    command = [sys.executable, "-m", f"benchmarks.{module}", *words]
    place = Path(__file__).parents[1]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=place, env=os.environ | at_once)
    return float(done.stdout.splitlines()[-1])


def speed(what: str, ours: float, theirs: float, faster: float) -> Result:
    """A result in processor seconds that should be at least `faster` times the peer's."""
    ratio = theirs / ours
    return Result(f"{what}, s", f"{ours:.2f}", f"{theirs:.2f}", f"{ratio:.2f}x", f">= {faster}x", ratio >= faster)


def share(what: str, ours: float, theirs: float, smaller: float) -> Result:
    """A result that should be at most the part `smaller` of the peer's."""
    ratio = ours / theirs
    return Result(what, f"{ours:.1f}", f"{theirs:.1f}", f"{ratio:.1%}", f"<= {smaller:.0%}", ratio <= smaller)


def missing(what: str, package: str, goal: str) -> Result:
    """The row of a peer that is not installed."""
    return Result(what, "-", f"{package} is not installed", "-", goal, False)


def table(results: list[Result]) -> str:
    """The results as Markdown."""
    head = ["| what | ours | peer or bound | ratio | goal | met |", "|---|---|---|---|---|---|"]
    rows = [f"| {r.what} | {r.ours} | {r.peer} | {r.ratio} | {r.goal} | {'yes' if r.met else 'no'} |" for r in results]
    return "\n".join([*head, *rows])
