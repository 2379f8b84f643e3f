"""Writing a file whole or not at all: a reader, or a killed process, never meets half a page."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file by way of a temporary one in the same folder, flushed to the disk and then renamed over it.

    Until the rename the old file stays as it was; on any error the temporary file is removed.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.urandom(6).hex()}.part")
    # Not tempfile: its files are private to their owner, and a report is for colleagues; here the umask decides.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)
    return target


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable where the system lets a folder be opened (Windows does not)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
