"""Remembers volumes on their grid, keyed by what the file holds and what was made of it.

The content of a file is hashed once and known again by its path, size and time of change, so a second run opens
nothing but the remembered voxels. Names in the folder are hashes: neither paths nor anything of a header is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossmod.errors import UserError
from crossmod.sources.cache import cache_folder
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.sources import VolumeSource

if TYPE_CHECKING:
    from crossmod_medical.processors import ReadVolume

FORMAT = "crossmod-medical voxels 1"
"""Part of every key: raise the number when the same file and grid give other voxels."""

HEADER_BYTES = 256


@dataclass(frozen=True)
class VoxelCache:
    """A folder of volumes on their grids.

    Args:
        folder: The folder; None remembers nothing.
    """

    folder: Path | None

    @classmethod
    def of(cls, grid: VolumeGrid) -> VoxelCache:
        """The cache that a grid's settings name."""
        if grid.cache == "off":
            return cls(None)
        return cls(Path(grid.cache).expanduser() if grid.cache else cache_folder("medical") / "volumes")

    def read(
        self, source: VolumeSource, grid: VolumeGrid, reader: Callable[[VolumeSource, VolumeGrid], ReadVolume]
    ) -> ReadVolume:
        """The remembered volume, or the one that `reader` reads, which is remembered from then on.

        Raises:
            UnusableScan: The reader's.
            UserError: The folder cannot be written.
        """
        if self.folder is None:
            return reader(source, grid)
        content = self._content(Path(source.path))
        if content is None:
            return reader(source, grid)  # nothing there: the reader says so
        entry = self.folder / _key(content, source, grid)
        found = _load(entry, grid)
        if found is None:
            found = reader(source, grid)
            self._write(entry, _packed(found))
        return found

    def _content(self, path: Path) -> str | None:
        """The hash of what a file or folder holds; None where there is none."""
        assert self.folder is not None
        try:
            files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]
            stats = [(str(file.absolute()), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]
        except (OSError, ValueError):
            return None
        known = self.folder / "known" / hashlib.sha256(json.dumps(stats).encode()).hexdigest()
        try:
            return known.read_text(encoding="ascii")
        except (OSError, ValueError):
            pass
        digest = hashlib.sha256()
        try:
            for file in files:
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError:
            return None
        self._write(known, digest.hexdigest().encode("ascii"))
        return digest.hexdigest()

    def _write(self, path: Path, content: bytes) -> None:
        """Write in one step, so that neither a crash nor another process leaves half an entry."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(content)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise UserError(
                f"the cache of volumes {self.folder} cannot be written ({error.strerror}); make room, set "
                "$CROSSMOD_CACHE to another folder, or set the grid's cache to off."
            ) from None


def _key(content: str, source: VolumeSource, grid: VolumeGrid) -> str:
    made: list[object] = [FORMAT, content, grid.spacing_mm, grid.size, grid.interpolation]
    made += [source.slope, source.intercept, source.spacing_mm, source.axes]
    return hashlib.sha256(json.dumps(made).encode()).hexdigest()


def _packed(read: ReadVolume) -> bytes:
    header = {"format": FORMAT, "shape": read.voxels.shape, "odd": read.air_is_odd, "uneven": read.is_uneven}
    return json.dumps(header).encode().ljust(HEADER_BYTES) + np.ascontiguousarray(read.voxels, "<i2").tobytes()


def _load(entry: Path, grid: VolumeGrid) -> ReadVolume | None:
    """The remembered volume; None where there is none, or one that is not whole."""
    from crossmod_medical.processors import ReadVolume

    try:
        with entry.open("rb") as stream:
            header = json.loads(stream.read(HEADER_BYTES))
            voxels = np.fromfile(stream, "<i2")
    except (OSError, ValueError):
        return None
    if header.get("shape") != list(grid.shape) or voxels.size != np.prod(grid.shape):
        return None
    return ReadVolume(voxels.reshape(grid.shape), bool(header["odd"]), bool(header["uneven"]))
