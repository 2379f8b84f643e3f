"""The run folder's own files."""

from __future__ import annotations

from pathlib import Path

from crossmod.contracts.corpus import Rejected
from crossmod.runs.folder import RunFolder


def test_rejected_items_that_no_encoding_can_write_are_listed_escaped(tmp_path: Path) -> None:
    rejected = [Rejected("text", 3, "half \ud800\tof a pair", "character 5 is half of a surrogate pair")]
    RunFolder(tmp_path).write_rejected(rejected)
    lines = (tmp_path / "rejects.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "3\ttext\tcharacter 5 is half of a surrogate pair\thalf \\ud800 of a pair"
