"""Paths that a table names, held below the folder that they are relative to."""

from __future__ import annotations

import os
from pathlib import Path


class EscapingPath(ValueError):  # noqa: N818 - it names the path, whose row is to be set aside
    """A path that leads out of its root; the message is the reason that the rejects file gives."""


def below_root(root: Path, cell: str) -> Path:
    """The path of a cell, relative to `root` or absolute below it.

    Links are followed by whoever opens the path; a table cannot place any.

    Raises:
        EscapingPath: It leads elsewhere, or is no path.
    """
    if "\0" in cell:
        raise EscapingPath("the path holds a zero byte")
    base = os.path.abspath(root)  # noqa: PTH100 - Path.resolve would follow the links of data folders
    joined = os.path.normpath(os.path.join(base, cell))  # noqa: PTH118 - the same
    if joined != base and not joined.startswith(base.rstrip(os.sep) + os.sep):
        raise EscapingPath("the path leads out of the root folder")
    return Path(joined)
