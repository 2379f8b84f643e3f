"""Paints soft-edged shapes into a volume in hounsfield units, in millimetres of the patient's own axes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]


class Canvas:
    """A chest being painted, its middle at the origin; x counts to the right, y to the front, z to the head.

    Args:
        size: Voxels to the right, to the front and to the head.
        spacing_mm: Distances of voxels.
        background: What is everywhere at first, in hounsfield units.

    Attributes:
        hounsfield: [z, y, x] float32.
    """

    def __init__(
        self, size: tuple[int, int, int], spacing_mm: tuple[float, float, float], background: float = -1000.0
    ) -> None:
        self.hounsfield = np.full(size[::-1], background, np.float32)
        self.spacing_mm = spacing_mm
        self.axes = [
            ((np.arange(count) - (count - 1) / 2) * step).astype(np.float32)
            for count, step in zip(size, spacing_mm, strict=True)
        ]
        self._softness = float(min(spacing_mm))

    def ellipsoid(
        self,
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        hounsfield: float,
        *,
        within: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Fill an ellipsoid; its rim is as soft as a voxel is wide.

        Args:
            centre: Of the ellipsoid.
            radii: Half axes; infinite ones make a cylinder.
            hounsfield: What fills it.
            within: [z, y, x]; nothing outside of it is painted.
        """
        part, (x, y, z) = self._box(centre, radii)
        distance = np.sqrt(
            (((x - centre[0]) / radii[0]) ** 2)[None, None, :]
            + (((y - centre[1]) / radii[1]) ** 2)[None, :, None]
            + (((z - centre[2]) / radii[2]) ** 2)[:, None, None]
        )
        cover = np.clip((1.0 - distance) * (min(radii) / self._softness) + 0.5, 0.0, 1.0)
        self._blend(part, cover, hounsfield, within)

    def region(self, cover: Points, hounsfield: float, *, within: npt.NDArray[np.bool_] | None = None) -> None:
        """Fill by a cover from 0 to 1.

        Shape:
            cover: [z, y, x], or what broadcasts to it.
        """
        everything = (slice(None), slice(None), slice(None))
        self._blend(everything, np.broadcast_to(cover, self.hounsfield.shape), hounsfield, within)

    def mesh(self) -> tuple[Points, Points, Points]:
        """x, y and z, each in a shape that broadcasts to [z, y, x]."""
        x, y, z = self.axes
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def mask(self, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
        """[z, y, x] the voxels whose centre lies in an ellipsoid."""
        x, y, z = self.mesh()
        inside: npt.NDArray[np.bool_] = (
            ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 + ((z - centre[2]) / radii[2]) ** 2
        ) <= 1.0
        return inside

    def _box(
        self, centre: tuple[float, float, float], radii: tuple[float, float, float]
    ) -> tuple[tuple[slice, slice, slice], tuple[Points, Points, Points]]:
        """The part of the volume that an ellipsoid can touch."""
        parts = []
        for axis, at, radius, step in zip(self.axes, centre, radii, self.spacing_mm, strict=True):
            reach = radius + 2 * max(step, self._softness)
            first, last = np.searchsorted(axis, [at - reach, at + reach])
            parts.append(slice(int(first), int(last)))
        x, y, z = (axis[part] for axis, part in zip(self.axes, parts, strict=True))
        return (parts[2], parts[1], parts[0]), (x, y, z)

    def _blend(
        self,
        part: tuple[slice, slice, slice],
        cover: Points,
        hounsfield: float,
        within: npt.NDArray[np.bool_] | None,
    ) -> None:
        if within is not None:
            cover = cover * within[part]
        painted = self.hounsfield[part]
        painted += cover * (np.float32(hounsfield) - painted)
