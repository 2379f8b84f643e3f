"""A file is the old one or the new one, and a failure leaves nothing behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from crossmod_report.atomic_write import write_atomically


def test_the_content_arrives_and_replaces_what_was_there(tmp_path):
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    assert write_atomically(target, b"new") == target
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("step", ["fsync", "replace", "interrupt"])
def test_a_failure_keeps_the_old_file_and_removes_the_new_one(tmp_path, monkeypatch, step):
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    seen = []

    def fail(*_arguments):
        seen.append(sorted(path.name for path in tmp_path.iterdir()))
        raise KeyboardInterrupt if step == "interrupt" else OSError(28, "No space left on device")

    if step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt if step == "interrupt" else OSError):
        write_atomically(target, b"new")
    assert len(seen[0]) == 2, "the new content lay in the same folder before the rename"
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_content_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    order = []
    replace, fsync = Path.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("replace"), replace(self, target))[1])
    write_atomically(tmp_path / "a", b"x")
    assert order[:2] == ["fsync", "replace"]


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "a", b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_the_file_has_the_permissions_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_atomically(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
