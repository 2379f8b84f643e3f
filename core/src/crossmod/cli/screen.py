"""What verbs print: tables with rich on a terminal, plain text everywhere else (a pipe gets no control codes)."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads."""
    if sys.stdout.isatty():
        _show_rich(head, rows)
        return
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    for line in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())


def show_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def clipped(text: str, width: int = 100) -> str:
    """One line of at most `width` characters.

    >>> clipped("a\\n  b"), clipped("abcdef", 4)
    ('a b', 'abc…')
    """
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _show_rich(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: a sample's [brackets] are no markup
    Console().print(table)
