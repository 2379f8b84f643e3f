"""Tables of text read as a stream: CSV, TSV, JSON lines or Parquet, gzipped or not, with the line of every row.

No line is ever held beyond a limit, so a file that is not what it seems costs no memory; a row that does not fit
its header is reported with its line and never guessed at. TSV is read without quoting, one line a row; CSV is
quoted as usual.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from crossmod.errors import UserError

LONGEST_LINE_BYTES = 1 << 20
SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Row:
    """One row: its 1-based line (for Parquet its row), its cells in the table's order, or what is wrong with it."""

    line: int
    cells: Sequence[Any] = ()
    fault: str = ""


@dataclass(frozen=True)
class Table:
    """A table that is being read: where it lies, its columns, and its rows, once."""

    path: Path
    columns: tuple[str, ...]
    rows: Iterable[Row]

    def position(self, column: str) -> int:
        """Where `column` stands.

        Raises:
            UserError: There is no such column; the sentence lists those that there are and suggests the closest.
        """
        if column in self.columns:
            return self.columns.index(column)
        close = difflib.get_close_matches(column.lower(), [name.lower() for name in self.columns], 1, 0.5)
        meant = next((name for name in self.columns if close and name.lower() == close[0]), "")
        advice = f"did you mean {meant!r}?" if meant else "name one of them."
        found = ", ".join(self.columns[:20]) + (", ..." if len(self.columns) > 20 else "")
        raise UserError(f"{self.path} has no column {column!r}; its columns are {found}; {advice}")


def open_table(path: str | Path) -> Table:
    """Open a table by its suffix.

    Raises:
        UserError: The file is missing, empty, of an unknown suffix, not UTF-8, or has a line beyond 1 MiB.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path.")
    name = path.name.lower()
    kind = Path(name.removesuffix(".gz")).suffix
    if kind not in SUFFIXES or (kind == ".parquet" and name.endswith(".gz")):
        raise UserError(
            f"{path} ends in {path.suffix or 'nothing'!r}, which names no known table; use one of "
            f"{', '.join(SUFFIXES)}, all but Parquet also with .gz."
        )
    if kind == ".parquet":
        return _parquet(path)
    lines = text_lines(path)
    return {".csv": _csv, ".jsonl": _json_lines}.get(kind, _tab_separated)(path, lines)


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file without their ends, gunzipped where the name says so.

    Raises:
        UserError: A line is not UTF-8 or longer than 1 MiB, or the gzip stream is broken.
    """
    for number, raw in enumerate(bounded_lines(path), 1):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"line {number} of {path} is not UTF-8 (byte {raw[error.start]:#04x}); convert the file, for example "
                "with `iconv -f latin1 -t utf-8`."
            ) from None
        yield text.rstrip("\r\n")


def bounded_lines(path: Path) -> Iterator[bytes]:
    """The raw lines of a file, ends included, none longer than 1 MiB."""
    number = 0
    with _open_binary(path) as stream:
        while True:
            try:
                raw = stream.readline(LONGEST_LINE_BYTES + 1)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                raise UserError(
                    f"{path} is not a whole gzip file (broken after line {number}); copy it again."
                ) from None
            if not raw:
                return
            number += 1
            if len(raw) > LONGEST_LINE_BYTES:
                raise UserError(
                    f"line {number} of {path} is longer than {LONGEST_LINE_BYTES:,} bytes; this is no table of texts "
                    "in the form that its name says."
                )
            yield raw


def _open_binary(path: Path) -> BinaryIO:
    if path.name.lower().endswith(".gz"):
        return io.BufferedReader(gzip.open(path))
    return path.open("rb")


def _tab_separated(path: Path, lines: Iterator[str]) -> Table:
    columns = tuple(_header(path, lines).split("\t"))
    return Table(path, _distinct(path, columns), _checked(path, columns, _split_tabs(lines)))


def _split_tabs(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, 2):
        if line:
            yield number, line.split("\t")


def _csv(path: Path, lines: Iterator[str]) -> Table:
    # The module wants line ends back, to keep those that stand inside quotes.
    reader = csv.reader((line + "\n" for line in lines), strict=True)
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        raise UserError(f"line 1 of {path} is not CSV: {error}; check its quotes.") from None
    if not columns:
        raise UserError(f"{path} is empty; it needs a header line and rows.")
    return Table(path, _distinct(path, columns), _checked(path, columns, _csv_rows(path, reader)))


def _csv_rows(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UserError(f"line {line} of {path} is not CSV: {error}; check its quotes.") from None
        if cells is None:
            return
        if cells:
            yield line, cells


def _checked(path: Path, columns: Sequence[str], rows: Iterable[tuple[int, list[str]]]) -> Iterator[Row]:
    """Rows of as many cells as the header; at least one."""
    line = 1
    for line, cells in rows:
        if len(cells) == len(columns):
            yield Row(line, cells)
        else:
            yield Row(line, cells, f"the row has {len(cells)} cells where the header has {len(columns)}")
    if line == 1:
        raise UserError(f"{path} has a header but no rows; add rows or name another file.")


def _json_lines(path: Path, lines: Iterator[str]) -> Table:
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise UserError(f"{path} is empty; it needs one JSON object a line.")
    value = _json_object(first)
    if isinstance(value, str):
        raise UserError(f"line 1 of {path} is not a JSON object ({value}); write one object a line.")
    columns = tuple(value)
    return Table(path, columns, _json_rows(columns, first, lines))


def _json_rows(columns: tuple[str, ...], first: str, lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(chain((first,), lines), 1):
        if not line.strip():
            continue
        value = _json_object(line)
        if isinstance(value, str):
            yield Row(number, (line[:200],), f"the line is not a JSON object ({value})")
        else:
            yield Row(number, ["" if value.get(name) is None else value.get(name) for name in columns])


def _json_object(line: str) -> dict[str, Any] | str:
    """The object, or what is wrong."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return str(error)
    return value if isinstance(value, dict) else f"it is a {type(value).__name__}"


def _parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{path} needs pyarrow to be read; `pip install pyarrow`.") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        cause = str(error).splitlines()[0]
        raise UserError(f"{path} is not a Parquet file ({cause}); check how it was made.") from None
    if not file.metadata.num_rows:
        raise UserError(f"{path} has no rows; name another file.")
    return Table(path, tuple(file.schema_arrow.names), _parquet_rows(file))


def _parquet_rows(file: Any) -> Iterator[Row]:
    number = 0
    for batch in file.iter_batches(1024):
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            number += 1
            yield Row(number, ["" if cell is None else cell for cell in cells])


def _header(path: Path, lines: Iterator[str]) -> str:
    header = next(lines, "")
    if not header.strip():
        raise UserError(f"{path} is empty; it needs a header line and rows.")
    return header


def _distinct(path: Path, columns: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UserError(f"{path} has more than one column {twice[0]!r}; rename one of them.")
    return columns
