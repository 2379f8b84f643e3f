"""Measure crossmod against its peers: `uv run tools/bench.py [NAME ...] [--rounds N] [--json FILE]`.

Every case runs interleaved with its peer in one process and the medians' ratio is the result, because absolute times
of a shared machine drift. `cpu` is processor time of all threads. Peers that are not installed are left out, and said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from benchmarks.measure import Result, table


def cases() -> dict[str, Callable[[int], list[Result]]]:
    """Every benchmark by name; modules are imported only when they run."""

    def lazily(module: str, function: str) -> Callable[[int], list[Result]]:
        def run(rounds: int) -> list[Result]:
            from importlib import import_module

            found: list[Result] = getattr(import_module(f"benchmarks.{module}"), function)(rounds)
            return found

        return run

    return {
        "featuriser": lazily("molecules", "featuriser"),
        "collation": lazily("molecules", "collation"),
        "loader": lazily("training", "loader"),
        "step": lazily("training", "step"),
        "start": lazily("command", "start"),
        "infonce": lazily("losses", "infonce"),
        "infonce-16k": lazily("losses", "infonce_16k"),
        "siglip": lazily("losses", "siglip"),
        "cwcl": lazily("losses", "cwcl"),
        "filip": lazily("losses", "filip"),
        "infonce-ranks": lazily("ranks", "infonce_ranks"),
        "gradcache": lazily("training", "gradcache"),
        "masked": lazily("encoders", "masked"),
        "ragged": lazily("encoders", "ragged"),
        "search": lazily("search", "search"),
        "volumes": lazily("volumes", "volumes"),
        "logmel": lazily("speech", "logmel"),
    }


def main(words: Sequence[str]) -> int:
    """Run the named benchmarks and print one table."""
    known = cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(known)} (all)")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds a case (7)")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args(words)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(known)}")
    results: list[Result] = []
    for name in options.names or known:
        print(f"running {name}", file=sys.stderr)
        results += known[name](options.rounds)
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps([result._asdict() for result in results], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
