"""The README's example is executed, and every name it lists exists."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import crossmod_metrics

README = Path(__file__).parents[2] / "packages" / "metrics" / "README.md"


def test_the_example_runs_as_printed():
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted >= 8
    assert result.failed == 0


def test_the_table_lists_every_public_function_and_no_other():
    rows = [line for line in README.read_text().splitlines() if line.startswith("| ") and "`" in line]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    functions = {name for name in crossmod_metrics.__all__ if name[0].islower()}
    assert listed == functions


def test_every_public_name_exists():
    assert all(hasattr(crossmod_metrics, name) for name in crossmod_metrics.__all__)
