"""Compare settings on held-back data: `uv run tools/choose.py DOMAIN RECIPE --on EVALUATION --score ROW:COLUMN ...`.

Trains a recipe as it is and once for every `--vary`, scores each on the validation split, for every seed of the split,
and prints one table; the test split is never read. Everything after `--` goes to every run, such as the data:

    uv run tools/choose.py medical pubmedclip --on vqa --score model:overall --vary "--optimiser.rate 0.001" \\
        --seeds 0 1 -- --data.root vqa_rad --data.held_back 0.2
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(words: Sequence[str]) -> int:
    """Train and score every variant."""
    own, shared = _parted(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain")
    parser.add_argument("recipe")
    parser.add_argument("--on", required=True, metavar="EVALUATION")
    parser.add_argument("--score", required=True, action="append", metavar="ROW:COLUMN", help="may be given again")
    parser.add_argument("--vary", action="append", default=[], metavar='"--a.b x"', help="may be given again")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the split (0)")
    options = parser.parse_args(own)
    print("| settings | " + " | ".join(options.score) + " |")
    print("|---" * (1 + len(options.score)) + "|", flush=True)
    for variant in ["", *options.vary]:
        found = []
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as folder:
                tables = run(options, shlex.split(variant), shared, seed, Path(folder) / "run")
            found.append([score(tables, *wanted.rsplit(":", 1)) for wanted in options.score])
        cells = [_cell(column) for column in zip(*found, strict=True)]
        print(f"| {variant or 'as it is'} | " + " | ".join(cells) + " |", flush=True)
    return 0


def run(
    options: argparse.Namespace, variant: Sequence[str], shared: Sequence[str], seed: int, folder: Path
) -> list[dict[str, Any]]:
    """The tables of one trained variant on the validation split."""
    train = ["train", options.domain, "--config", options.recipe, *shared, "--data.split_seed", str(seed)]
    _crossmod([*train, "--run.finish_on", "validation", *variant, "--run.folder", str(folder)])
    scored = _crossmod(["evaluate", str(folder), "--on", options.on, "--split", "validation", "--json"])
    tables: list[dict[str, Any]] = json.loads(scored)
    return tables


def score(tables: Sequence[dict[str, Any]], row: str, column: str) -> float:
    """The number in a column of the first row that is called so."""
    for table in tables:
        for line in table["rows"]:
            if row in line["cells"].values() and isinstance(line["cells"].get(column), int | float):
                return float(line["cells"][column])
    raise SystemExit(f"no row {row!r} with a number in {column!r}; look at `crossmod evaluate RUN --on ... --json`.")


def _crossmod(words: Sequence[str]) -> str:
    done = subprocess.run([sys.executable, "-m", "crossmod", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"crossmod {shlex.join(words)} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def _cell(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    place = list(words).index("--") if "--" in words else len(words)
    return list(words[:place]), list(words[place + 1 :])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
