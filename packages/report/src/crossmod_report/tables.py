"""Result tables beside chance and baselines: one `Table`, written for a page, a README or a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from crossmod_report.lettering import cell_width
from crossmod_report.markup import Markup, element, joined


@final
@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its interval, such as a bootstrap confidence interval."""

    value: float
    low: float
    high: float


Cell = str | int | float | Estimate | None


@final
@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: the key of its cells, its heading, its decimals, which way is better (none: not compared)."""

    key: str
    title: str
    decimals: int = 3
    better: Literal["higher", "lower"] | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of cells by column key; a reference row (chance, a baseline) is set apart but competes for best."""

    cells: Mapping[str, Cell]
    role: Literal["result", "reference"] = "result"


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns.

    Raises:
        ValueError: a key is used by two columns, or a cell belongs to no column.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        keys = [column.key for column in self.columns]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        if repeated:
            raise ValueError(f"two columns of the table {self.title!r} have the key {repeated[0]!r}: rename one")
        for row in self.rows:
            strangers = [key for key in row.cells if key not in keys]
            if strangers:
                raise ValueError(
                    f"a row of the table {self.title!r} has a cell {strangers[0]!r} and no such column:"
                    f" the columns are {', '.join(keys) or '(none)'}"
                )

    def texts(self) -> list[list[str]]:
        """Write every cell; numbers of a column share their decimals, an absent cell is a dash."""
        return [[_text(row.cells.get(column.key), column) for column in self.columns] for row in self.rows]

    def best(self) -> list[list[bool]]:
        """Mark the best numbers of each compared column, chance included: ties at the shown decimals all win.

        A column with fewer than two finite numbers has no best.
        """
        marks = [[False] * len(self.columns) for _ in self.rows]
        for index, column in enumerate(self.columns):
            shown = [_shown(row.cells.get(column.key), column) for row in self.rows]
            finite = [value for value in shown if value is not None]
            if column.better is None or len(finite) < 2:
                continue
            winner = max(finite) if column.better == "higher" else min(finite)
            for row, value in enumerate(shown):
                marks[row][index] = value == winner
        return marks

    def numeric(self) -> list[bool]:
        """Say for each column whether its cells are numbers (or absent), and so stand right-aligned."""
        return [
            bool(self.rows) and not any(isinstance(row.cells.get(column.key), str) for row in self.rows)
            for column in self.columns
        ]


def html_table(table: Table) -> Markup:
    """Write a table as HTML, with the best values in ``<strong>`` and reference rows of class ``reference``."""
    aligned = ["number" if numeric else None for numeric in table.numeric()]
    heads = [
        element("th", {"scope": "col", "class": kind}, column.title + _arrow(column))
        for column, kind in zip(table.columns, aligned, strict=True)
    ]
    lines = []
    for row, texts, marks in zip(table.rows, table.texts(), table.best(), strict=True):
        cells = []
        for index, (text, best, kind) in enumerate(zip(texts, marks, aligned, strict=True)):
            body = element("strong", None, text) if best else text
            first = index == 0 and kind is None
            cells.append(element("th" if first else "td", {"scope": "row" if first else None, "class": kind}, body))
        lines.append(element("tr", {"class": "reference" if row.role == "reference" else None}, *cells))
    # Above the table and not its caption: a title must not scroll sideways with a wide table on a phone.
    title = element("p", {"class": "table-title"}, table.title) if table.title else Markup()
    if not lines:
        lines.append(element("tr", None, element("td", {"colspan": len(heads) or None}, "no rows yet")))
    body = element(
        "table",
        {"aria-label": table.title or None},
        element("thead", None, element("tr", None, *heads)),
        element("tbody", None, *lines),
    )
    note = element("p", {"class": "note"}, table.note) if table.note else Markup()
    return joined([title, element("div", {"class": "scroll", "tabindex": 0}, body), note])


def markdown_table(table: Table) -> str:
    """Write a table as GitHub Markdown, with the best values in bold and reference rows in italics."""
    titles = [_markdown(column.title + _arrow(column)) for column in table.columns]
    lines = [_pipes(titles), _pipes(["---:" if numeric else "---" for numeric in table.numeric()])]
    for row, texts, marks in zip(table.rows, table.texts(), table.best(), strict=True):
        written = []
        for index, (text, best) in enumerate(zip(texts, marks, strict=True)):
            cell = _markdown(text)
            cell = f"**{cell}**" if best else cell
            written.append(f"*{cell}*" if row.role == "reference" and index == 0 and cell else cell)
        lines.append(_pipes(written))
    parts = [f"**{_markdown(table.title)}**\n"] if table.title else []
    parts.append("\n".join(lines) + "\n")
    if table.note:
        parts.append(_markdown(table.note) + "\n")
    return "\n".join(parts)


def text_table(table: Table) -> str:
    """Write a table for a terminal in one typeface, with ``*`` after the best values.

    Control characters become U+FFFD: a caption from a corpus cannot move the cursor or colour the screen.
    """
    heads = [_printable(column.title + _arrow(column)) for column in table.columns]
    body = [
        [_printable(text) + ("*" if best else " ") for text, best in zip(texts, marks, strict=True)]
        for texts, marks in zip(table.texts(), table.best(), strict=True)
    ]
    grid = [[head + " " for head in heads], *body]
    widths = [max(cell_width(line[index]) for line in grid) for index in range(len(heads))]
    numeric = table.numeric()
    lines = ["  ".join(_padded(*cell) for cell in zip(line, widths, numeric, strict=True)).rstrip() for line in grid]
    lines.insert(1, "  ".join("-" * width for width in widths))
    title = [_printable(table.title)] if table.title else []
    note = [_printable(table.note)] if table.note else []
    return "\n".join([*title, *lines, *note]) + "\n"


def _number(cell: Cell) -> float | None:
    if isinstance(cell, Estimate):
        return float(cell.value)
    return None if cell is None or isinstance(cell, str) else float(cell)


def _shown(cell: Cell, column: Column) -> float | None:
    value = _number(cell)
    return round(value, column.decimals) if value is not None and math.isfinite(value) else None


def _text(cell: Cell, column: Column) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, Estimate):
        value, low, high = (f"{part:.{column.decimals}f}" for part in (cell.value, cell.low, cell.high))
        return f"{value} [{low}, {high}]"
    if isinstance(cell, str):
        return cell
    # A whole number in a compared column is a measurement that happens to be whole: it keeps the decimals.
    if isinstance(cell, int) and column.better is None:
        return str(cell)
    return f"{cell:.{column.decimals}f}"


def _arrow(column: Column) -> str:
    return {"higher": " ↑", "lower": " ↓", None: ""}[column.better]


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown(text: str) -> str:
    line = " ".join(text.split())
    return "".join("\\" + sign if sign in "\\`*_[]<>|~#&!" else sign for sign in line)


def _printable(text: str) -> str:
    line = " ".join(text.split())
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in line)


def _padded(text: str, width: int, numeric: bool) -> str:
    blank = " " * (width - cell_width(text))
    return blank + text if numeric else text + blank
