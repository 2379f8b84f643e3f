"""What every reader gives: a scan whose planes are decoded one after the other, and what was seen on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmod_medical.readers.geometry import Geometry
from crossmod_medical.readers.reasons import UnusableScan

LARGEST_SCAN_VOXELS = 1 << 31
"""More than any clinical scan (1,024 x 1,024 x 2,048); a header that claims more is not believed."""


class Scan(ABC):
    """A stack of slices in hounsfield units.

    Attributes:
        geometry: Where its voxels lie.
    """

    geometry: Geometry

    @abstractmethod
    def planes(self) -> Iterator[npt.NDArray[Any]]:
        """The slices in order, each [rows, columns] in hounsfield units; an array may be reused by the next.

        Raises:
            UnusableScan: The file breaks off, or holds what is no number.
        """

    def whole(self) -> npt.NDArray[np.int16]:
        """[slices, rows, columns] int16 hounsfield units."""
        voxels = np.empty(self.geometry.shape, np.int16)
        for place, plane in enumerate(self.planes()):
            voxels[place] = to_int16(plane)
        return voxels


def to_int16(values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Rounded to whole hounsfield units, what int16 cannot hold clipped."""
    if values.dtype == np.int16:
        return values
    rounded = np.rint(values)
    np.clip(rounded, -32768, 32767, out=rounded)
    return np.asarray(rounded, np.int16)


def require_modest(shape: tuple[int, ...]) -> None:
    """Refuse shapes that no scan has.

    Raises:
        UnusableScan: A side is empty, or all together are too many.
    """
    voxels = 1
    for side in shape:
        voxels *= int(side)  # Python's own integers do not overflow
    if voxels < 1:
        raise UnusableScan(f"its header claims {' x '.join(map(str, shape))} voxels, which is nothing")
    if voxels > LARGEST_SCAN_VOXELS:
        raise UnusableScan(
            f"its header claims {' x '.join(map(str, shape))} voxels, more than the {LARGEST_SCAN_VOXELS:,} of any scan"
        )


@dataclass
class Plausibility:
    """Whether what was read can be hounsfield units: the range, and the air in the corners of the slices."""

    lowest: float = np.inf
    highest: float = -np.inf

    def __post_init__(self) -> None:
        self._corners: list[float] = []

    def see(self, plane: npt.NDArray[Any]) -> None:
        """Take one slice into account.

        Raises:
            UnusableScan: It holds what is no number.
        """
        low, high = float(plane.min()), float(plane.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise UnusableScan("it holds voxels that are not finite numbers (NaN or infinite)")
        self.lowest, self.highest = min(self.lowest, low), max(self.highest, high)
        self._corners += [float(plane[0, 0]), float(plane[0, -1]), float(plane[-1, 0]), float(plane[-1, -1])]

    def require_hounsfield(self) -> None:
        """Refuse a scan that is plainly not in hounsfield units.

        Raises:
            UnusableScan: All voxels are equal, or all lie from 0 to 255.
        """
        if self.lowest == self.highest:
            raise UnusableScan(f"all its voxels are {self.lowest:g}")
        if self.lowest >= 0 and self.highest <= 255:
            raise UnusableScan(
                f"its voxels range from {self.lowest:g} to {self.highest:g}: that is 8-bit grey, not hounsfield units"
            )

    @property
    def air_is_odd(self) -> bool:
        """Whether the slices' corners, mostly air or padding, are far from -1000 hounsfield units."""
        return not -1200 <= float(np.median(self._corners)) <= -800
