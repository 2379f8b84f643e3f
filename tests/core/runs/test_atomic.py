from __future__ import annotations

import errno
from pathlib import Path

import pytest

from crossmod.runs.atomic import write_atomic, write_folder, write_json, write_text


def test_the_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")
    write_text(path, "né")
    assert path.read_text(encoding="utf-8") == "né"
    assert [p.name for p in (path.parent).iterdir()] == ["file.txt"]


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fill_up(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, fill_up)
    assert path.read_text() == "old"
    assert [p.name for p in (tmp_path).iterdir()] == ["file.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_folder(folder, lambda place: (place / "a").write_text("1") and None)
    write_folder(folder, lambda place: (place / "b").write_text("2") and None)
    assert [p.name for p in (folder).iterdir()] == ["b"]

    def fail(place: Path) -> None:
        (place / "c").write_text("half")
        raise RuntimeError("cut short")

    with pytest.raises(RuntimeError, match="cut short"):
        write_folder(folder, fail)
    assert [p.name for p in (folder).iterdir()] == ["b"]
    assert [p.name for p in (tmp_path).iterdir()] == ["model"]


def test_json_keeps_letters_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"name": "naïve"})
    assert "naïve" in (tmp_path / "x.json").read_text(encoding="utf-8")
