from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.errors import UserError
from crossmod_molecule.corpus.sources import SHIPPED, Shipped, rdkit_folder, read_shipped

HERE = (Shipped("some.tsv", "\t", 1, 1, "a test"),)


def test_the_wheel_has_every_file_and_all_their_molecules() -> None:
    found, rejected = read_shipped(rdkit_folder())
    assert not rejected
    assert len(found) > 16_000
    for file in SHIPPED:
        assert any(item.place.startswith(f"{file.path}:") for item in found)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="some.tsv") as raised:
        read_shipped(tmp_path, HERE)
    assert str(tmp_path) in str(raised.value)


def test_comments_headers_and_short_lines(tmp_path: Path) -> None:
    (tmp_path / "some.tsv").write_bytes(b"name\tsmiles\n# comment\nethanol\tCCO\r\nnothing\n\xff\xfe\tC\n")
    found, rejected = read_shipped(tmp_path, HERE)
    assert [(item.line, item.smiles) for item in found] == [(3, "CCO"), (5, "C")]
    assert [(item.line, item.reason) for item in rejected] == [(4, "some.tsv: too few fields")]
