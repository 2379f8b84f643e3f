"""The streaming tables: every format the same rows, every fault a line and a sentence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from crossmod.errors import UserError
from crossmod.sources.tables import LONGEST_LINE_BYTES, open_table

CONTENT = [["CCO", "ethanol, a liquid"], ["C", 'the "simplest" alkane'], ["N", ""]]


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"table{suffix}"
    if suffix.startswith(".parquet"):
        import pyarrow
        import pyarrow.parquet

        smiles, text = zip(*CONTENT, strict=True)
        pyarrow.parquet.write_table(pyarrow.table({"smiles": smiles, "text": text}), path)
        return path
    if suffix.startswith(".jsonl"):
        lines = [json.dumps(dict(zip(("smiles", "text"), row, strict=True))) for row in CONTENT]
    elif suffix.startswith(".csv"):
        lines = ["smiles,text", 'CCO,"ethanol, a liquid"', 'C,"the ""simplest"" alkane"', "N,"]
    else:
        lines = ["smiles\ttext", *("\t".join(row) for row in CONTENT)]
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    table = open_table(written(tmp_path, suffix))
    assert table.columns == ("smiles", "text")
    rows = list(table.rows)
    assert [list(row.cells) for row in rows] == CONTENT
    first = 1 if suffix.startswith((".jsonl", ".parquet")) else 2
    assert [row.line for row in rows] == [first, first + 1, first + 2]


def test_byte_order_mark_and_foreign_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbfsmiles\ttext\r\nC\tgas\r\n\r\nN\tair")
    table = open_table(path)
    assert table.columns == ("smiles", "text")
    assert [(row.line, list(row.cells)) for row in table.rows] == [(2, ["C", "gas"]), (4, ["N", "air"])]


def test_a_quoted_csv_cell_may_hold_line_ends_and_keeps_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"two\nlines"\n3,4\n')
    assert [(row.line, list(row.cells)) for row in open_table(path).rows] == [(2, ["1", "two\nlines"]), (4, ["3", "4"])]


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_a_ragged_row_is_reported_with_its_line(tmp_path: Path, suffix: str, separator: str) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_text(f"a{separator}b\n1{separator}2\nonly\n3{separator}4\n")
    rows = list(open_table(path).rows)
    assert [row.fault != "" for row in rows] == [False, True, False]
    assert (rows[1].line, rows[1].fault) == (3, "the row has 1 cells where the header has 2")


def test_a_json_line_that_is_no_object_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"smiles": "C"}\n[1]\n{broken\n{"other": 1}\n' + "[" * 100_000 + "\n")
    rows = list(open_table(path).rows)
    assert [bool(row.fault) for row in rows] == [False, True, True, False, True]
    assert rows[3].cells == [""]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("t.tsv", b"", "is empty"),
        ("t.csv", b"", "is empty"),
        ("t.jsonl", b"\n", "is empty"),
        ("t.tsv", b"a\tb\n", "header but no rows"),
        ("t.csv", b"a,b\n", "header but no rows"),
        ("t.tsv", b"a\ta\n1\t2\n", "more than one column 'a'"),
        ("t.tsv", b"a\tb\n1\t\xe9\n", "line 2 of .* not UTF-8 .byte 0xe9."),
        ("t.csv", b'a,b\n1,"open\n', "line 2 of .* not CSV"),
        ("t.jsonl", b"[1]\n", "line 1 of .* not a JSON object"),
        ("t.xlsx", b"x", "'.xlsx', which names no known table"),
        ("t", b"x", "'nothing', which names no known table"),
        ("t.tsv.gz", b"not gzip", "not a whole gzip file"),
        ("t.tsv.gz", gzip.compress(b"a\tb\n" + b"1\t2\n" * 5000)[:-20], "not a whole gzip file"),
        ("t.parquet", b"PAR1 no", "not a Parquet file"),
    ],
)
def test_an_unusable_file_is_one_sentence(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=reason) as caught:
        list(open_table(path).rows)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.tsv is not a file"):
        open_table(tmp_path / "nowhere.tsv")


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".tsv.gz"])
def test_an_endless_line_is_refused_without_being_held(tmp_path: Path, suffix: str) -> None:
    """Sixty-four megabytes on one line must not become sixty-four megabytes of memory."""
    import tracemalloc

    path = tmp_path / f"t{suffix}"
    with gzip.open(path, "wb", compresslevel=1) if suffix.endswith(".gz") else path.open("wb") as stream:
        stream.write(b"" if suffix == ".jsonl" else b"a\n")
        for _ in range(64):
            stream.write(b"x" * (1 << 20))
    tracemalloc.start()
    with pytest.raises(UserError, match=rf"longer than {LONGEST_LINE_BYTES:,} bytes"):
        list(open_table(path).rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_missing_column_lists_those_there_are_and_suggests_one(tmp_path: Path) -> None:
    table = open_table(written(tmp_path, ".tsv"))
    with pytest.raises(UserError, match=r"no column 'Smile'; its columns are smiles, text; did you mean 'smiles'\?"):
        table.position("Smile")
    with pytest.raises(UserError, match="name one of them"):
        table.position("zzz")
