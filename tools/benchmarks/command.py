"""How long the command takes to answer, as a whole process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.measure import Result


def start(rounds: int) -> list[Result]:
    """`crossmod --help`, `crossmod domains` and `crossmod train molecule --help`, warm, wall seconds."""
    results = []
    for words in (["--help"], ["domains"], ["train", "molecule", "--help"]):
        seconds = []
        for number in range(rounds + 1):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", "crossmod", *words], check=True, capture_output=True)
            if number:
                seconds.append(time.perf_counter() - began)
        median = statistics.median(seconds)
        what = f"crossmod {' '.join(words)}, s"
        results.append(Result(what, f"{median:.2f}", "0.5", f"{median / 0.5:.2f}", "<= 1", median <= 0.5))
    return results
