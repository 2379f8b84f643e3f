"""What readers of every domain share: paths below a root, the folder of what can be made again, distinct items."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.sources.cache import cache_folder
from crossmod.sources.items import column_of
from crossmod.sources.paths import EscapingPath, below_root


@pytest.mark.parametrize("cell", ["../secret", "a/../../secret", "/etc/passwd", "a\0b", "../rooted-elsewhere"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, cell: str):
    with pytest.raises(EscapingPath):
        below_root(tmp_path / "root", cell)


def test_paths_below_the_root_are_kept(tmp_path: Path):
    assert below_root(tmp_path, "a/./b/../c.wav") == tmp_path / "a" / "c.wav"
    assert below_root(tmp_path, str(tmp_path / "a.wav")) == tmp_path / "a.wav"


def test_the_environment_names_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CROSSMOD_CACHE", str(tmp_path))
    assert cache_folder("medical") == tmp_path / "medical"
    monkeypatch.setenv("CROSSMOD_CACHE", "")
    assert cache_folder("medical") == Path.home() / ".cache" / "crossmod" / "medical"


def test_rows_without_an_item_point_nowhere():
    column = column_of([None, None])
    assert column.items == [] and column.item.tolist() == [-1, -1]
