"""A healthy chest: body wall, ribs, spine, lungs with vessels, heart, great vessels, airways, upper abdomen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossmod.sources.draw import Draw
from crossmod_medical.phantoms.canvas import Canvas
from crossmod_medical.phantoms.patients import SIDES, Patient

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Anatomy:
    """Where the organs of one body lie, in millimetres.

    Args:
        scale: Size of this body.
        heart_scale: Size of its heart against the average.
    """

    scale: float
    heart_scale: float = 1.0

    def lung(self, side: str) -> tuple[Triple, Triple]:
        """Centre and radii of a lung."""
        sign = 1.0 if side == "right" else -1.0
        width = 58.0 if side == "right" else 52.0
        return self._sized((sign * 74.0, 4.0, 12.0)), self._sized((width, 84.0, 122.0))

    @property
    def heart(self) -> tuple[Triple, Triple]:
        """Centre and radii of the heart."""
        grown = self.heart_scale
        centre = (-20.0 - 14.0 * (grown - 1.0), 22.0, -36.0)
        return self._sized(centre), self._sized((54.0 * grown, 44.0 * grown, 50.0 * grown))

    def place(self, side: str, zone: str, place: tuple[float, float]) -> Triple:
        """A point well inside a zone of a lung."""
        centre, radii = self.lung(side)
        height = {"upper": 0.5, "middle": 0.0, "lower": -0.42}[zone]
        room = float(np.sqrt(1.0 - height**2))
        outward = 1.0 if side == "right" else -1.0
        # The heart takes the inner part of the lungs, so places lie in the outer.
        x = centre[0] + outward * radii[0] * room * (0.05 + 0.4 * place[0])
        y = centre[1] + radii[1] * room * (1.1 * place[1] - 0.55)
        return x, y, centre[2] + radii[2] * height

    def _sized(self, triple: Triple) -> Triple:
        return triple[0] * self.scale, triple[1] * self.scale, triple[2] * self.scale


def paint_body(canvas: Canvas, anatomy: Anatomy, patient: Patient, contrast: bool, draw: Draw) -> None:
    """Everything that a healthy chest holds."""
    size = anatomy.scale
    far = 1e6
    canvas.ellipsoid((0.0, 0.0, 0.0), (168.0 * size, 116.0 * size, far), -100.0)
    canvas.ellipsoid((0.0, 0.0, 0.0), (152.0 * size, 104.0 * size, far), 45.0)
    _ribs(canvas, size)
    for side in SIDES:
        canvas.ellipsoid(*anatomy.lung(side), -865.0)
    _vessels(canvas, anatomy, draw)
    blood = 210.0 if contrast else 42.0
    canvas.ellipsoid((0.0, 4.0 * size, 34.0 * size), (30.0 * size, 52.0 * size, 118.0 * size), -30.0)
    canvas.ellipsoid(*anatomy.heart, blood * 0.8 if contrast else 42.0)
    for centre, radius in aorta(size):
        canvas.ellipsoid(centre, (radius, radius, radius * 1.6), blood)
    _airways(canvas, size)
    canvas.ellipsoid((72.0 * size, 4.0, -132.0 * size), (88.0 * size, 80.0 * size, 58.0 * size), 60.0)
    canvas.ellipsoid((-76.0 * size, -8.0, -138.0 * size), (66.0 * size, 70.0 * size, 52.0 * size), 48.0)
    _spine(canvas, size)


def aorta(size: float) -> list[tuple[Triple, float]]:
    """Points along ascending aorta, arch and descending aorta, with the radius there."""
    points = [((14.0, 8.0, float(z)), 15.0) for z in range(-20, 56, 8)]
    points += [((14.0 - 38.0 * t, 8.0 - 50.0 * t, 58.0 + 10.0 * float(np.sin(np.pi * t))), 13.5) for t in _unit(7)]
    points += [((-24.0, -42.0, float(z)), 12.5) for z in range(56, -150, -8)]
    return [((x * size, y * size, z * size), radius * size) for (x, y, z), radius in points]


def _ribs(canvas: Canvas, size: float) -> None:
    x, y, z = canvas.mesh()
    wall = np.sqrt((x / (141.0 * size)) ** 2 + (y / (101.0 * size)) ** 2)
    ring = np.clip(1.5 - np.abs(wall - 1.0) * 18.0, 0.0, 1.0)
    level = (z + 0.35 * (y - 90.0)) % 26.0
    canvas.region((ring * (level < 9.0)).astype(np.float32), 330.0)


def _spine(canvas: Canvas, size: float) -> None:
    canvas.ellipsoid((0.0, -72.0 * size, 0.0), (20.0 * size, 16.0 * size, 1e6), 220.0)
    canvas.ellipsoid((0.0, -94.0 * size, 0.0), (10.0 * size, 8.0 * size, 1e6), 25.0)
    canvas.ellipsoid((0.0, 96.0 * size, 20.0), (16.0 * size, 7.0 * size, 90.0 * size), 240.0)


def _airways(canvas: Canvas, size: float) -> None:
    for z in range(24, 160, 8):
        canvas.ellipsoid((2.0 * size, -16.0 * size, z * size), (8.5 * size, 8.0 * size, 9.0 * size), -1000.0)
    for sign in (1.0, -1.0):
        for t in _unit(5):
            centre = (sign * 32.0 * t * size, -16.0 * size, (24.0 - 26.0 * t) * size)
            canvas.ellipsoid(centre, (6.5 * size, 6.0 * size, 7.0 * size), -1000.0)


def _vessels(canvas: Canvas, anatomy: Anatomy, draw: Draw) -> None:
    """Branches from each hilum outwards, thinner as they go."""
    for side in SIDES:
        centre, radii = anatomy.lung(side)
        lung = canvas.mask(centre, radii)
        hilum = np.array([centre[0] * 0.45, -8.0, centre[2] - 4.0])
        for _ in range(9):
            end = np.array([centre[i] + radii[i] * 0.8 * (2 * draw.below(1000) / 1000 - 1) for i in range(3)])
            for t in _unit(7)[2:]:
                x, y, z = (hilum + t * (end - hilum)).tolist()
                radius = 5.0 - 3.0 * t
                canvas.ellipsoid((x, y, z), (radius, radius, radius), 20.0, within=lung)


def _unit(count: int) -> list[float]:
    return [step / (count - 1) for step in range(count)]
