"""NIfTI files, decoded plane by plane: nibabel reads the header, gzip goes straight into one slice's memory."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from isal import igzip, igzip_lib

from crossmod_medical.readers.geometry import Geometry
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.readers.scan import Scan, require_modest
from crossmod_medical.sources import VolumeSource

SUFFIXES = (".nii", ".nii.gz")

LARGEST_INFLATION = 1032
"""How many bytes one byte of a deflate stream can become: more, a header is lying."""

BROKEN_STREAM: tuple[Any, ...] = (OSError, EOFError, zlib.error, igzip_lib.IsalError)
"""What reading a damaged gzip stream raises."""

MILLIMETRES = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}

DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


class NiftiScan(Scan):
    """One 3-D NIfTI file.

    Args:
        source: The file, and what its header does not say.

    Raises:
        UnusableScan: The header is broken, or says what cannot be.
    """

    def __init__(self, source: VolumeSource) -> None:
        self.path = Path(source.path)
        header = _header(self.path)
        shape = _shape(header)
        self._dtype = _dtype(header)
        self._offset = int(header.get_data_offset()) if header["magic"].item().startswith(b"n+1") else 0
        _require_room(self.path, self._offset + int(np.prod(shape, dtype=np.int64)) * self._dtype.itemsize)
        self._slope, self._intercept = _scaling(header, source)
        self.geometry = Geometry.from_affine(_affine(header, source), shape)

    def planes(self) -> Iterator[npt.NDArray[Any]]:
        """The planes of the third axis, in the order of the file."""
        rows, columns = self.geometry.rows, self.geometry.columns
        stored = np.empty((rows, columns), self._dtype)
        identity = self._slope == 1.0 and self._intercept == 0.0
        with _open(self.path) as stream:
            _fill(stream, np.empty(self._offset, np.uint8))
            for _ in range(self.geometry.slices):
                _fill(stream, stored.view(np.uint8).reshape(-1))
                if identity:
                    yield stored
                else:
                    yield stored.astype(np.float32) * np.float32(self._slope) + np.float32(self._intercept)


def _header(path: Path) -> Any:
    import nibabel
    from nibabel.spatialimages import HeaderDataError

    if not path.is_file():
        raise UnusableScan("there is no such file")
    try:
        with _open(path) as stream:
            start = stream.read(348)
            if len(start) < 348:
                raise UnusableScan(f"it ends after {len(start)} bytes, before its header does")
            if start[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c"):
                rest = stream.read(192)
                return nibabel.Nifti2Header(start + rest, check=False)
        header = nibabel.Nifti1Header(start, check=False)
    except BROKEN_STREAM:
        raise UnusableScan("it is not a whole gzip file") from None
    except HeaderDataError:
        raise UnusableScan("it does not begin with a NIfTI header") from None
    if header["sizeof_hdr"] not in (348, 540) or header["magic"].item().rstrip(b"\0") not in (b"n+1", b"ni1"):
        raise UnusableScan("it does not begin with a NIfTI header")
    if header["magic"].item().startswith(b"ni1"):
        raise UnusableScan("its voxels lie in another file (.hdr and .img); convert the pair to one .nii.gz")
    return header


def _open(path: Path) -> BinaryIO:
    if path.name.lower().endswith(".gz"):
        stream: BinaryIO = igzip.open(path, "rb")
        return stream
    return path.open("rb")


def _fill(stream: BinaryIO, buffer: npt.NDArray[np.uint8]) -> None:
    """Read exactly as many bytes as the buffer holds."""
    view, filled = buffer.data, 0
    try:
        while filled < len(view):
            count = cast("io.BufferedIOBase", stream).readinto(view[filled:])
            if not count:
                raise UnusableScan("it ends before its last voxel; copy it again")
            filled += count
    except BROKEN_STREAM:
        raise UnusableScan("its gzip stream is broken or cut off; copy it again") from None


def _shape(header: Any) -> tuple[int, int, int]:
    dimensions = [int(side) for side in header["dim"]]
    count, sides = dimensions[0], dimensions[1:]
    if not 1 <= count <= 7 or any(side < 1 for side in sides[:count]):
        raise UnusableScan("its header gives no valid shape")
    shape = sides[:count] + [1] * (3 - count)
    if any(side > 1 for side in shape[3:]):
        raise UnusableScan(f"it holds {' x '.join(map(str, shape))} voxels, more than three dimensions")
    require_modest(tuple(shape[:3]))
    return shape[0], shape[1], shape[2]


def _dtype(header: Any) -> np.dtype[Any]:
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype: np.dtype[Any] = header.get_data_dtype()
    except HeaderDataError:
        raise UnusableScan(f"its header names the unknown voxel type {int(header['datatype'])}") from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnusableScan(f"its voxels are {dtype.name if dtype.names is None else 'colours'}, not numbers of one CT")
    return dtype


def _require_room(path: Path, claimed: int) -> None:
    """Refuse a header that claims more voxels than the file can hold, before memory is asked for."""
    size = path.stat().st_size
    room = size * LARGEST_INFLATION if path.name.lower().endswith(".gz") else size
    if claimed > room:
        raise UnusableScan(
            f"its header claims {claimed / 1e9:,.3f} GB, but its {size:,} bytes cannot hold more than {room / 1e9:,.3f}"
        )


def _scaling(header: Any, source: VolumeSource) -> tuple[float, float]:
    """Slope and intercept, of which the header's or the source's may say something, but not both."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0.0:
        slope, intercept = 1.0, 0.0
    if not np.isfinite(intercept):
        raise UnusableScan("its header's intercept is not a finite number")
    stated = (source.slope, source.intercept) != (1.0, 0.0)
    if stated and (slope, intercept) != (1.0, 0.0):
        raise UnusableScan(
            f"its header scales by {slope:g} and {intercept:g}, and the table by {source.slope:g} and "
            f"{source.intercept:g}: applying both would scale it twice"
        )
    return (source.slope, source.intercept) if stated else (slope, intercept)


def _affine(header: Any, source: VolumeSource) -> npt.NDArray[np.float64]:
    if source.spacing_mm is not None or source.axes:
        return _stated_affine(header, source)
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise UnusableScan("its header has no affine (sform and qform are unset), so left and right are unknown")
    from nibabel.spatialimages import HeaderDataError

    try:
        affine = np.asarray(header.get_best_affine(), np.float64)
        unit = header.get_xyzt_units()[0]
    except (HeaderDataError, ValueError, KeyError):
        raise UnusableScan("its header's affine cannot be read") from None
    return np.diag([*[MILLIMETRES.get(unit, 1.0)] * 3, 1.0]) @ affine


def _stated_affine(header: Any, source: VolumeSource) -> npt.NDArray[np.float64]:
    """The affine that a table states for a file whose header is blank."""
    spacing = source.spacing_mm or tuple(float(step) for step in header["pixdim"][1:4])
    axes = source.axes or "RAS"
    directions = [DIRECTIONS.get(letter) for letter in axes]
    if len(axes) != 3 or None in directions or {d[0] for d in directions if d} != {0, 1, 2}:
        raise UnusableScan(f"its axes are stated as {axes!r}, which is no orientation such as LPS")
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for column, (direction, step) in enumerate(zip(directions, spacing, strict=True)):
        assert direction is not None
        affine[direction[0], column] = direction[1] * step
    return affine
