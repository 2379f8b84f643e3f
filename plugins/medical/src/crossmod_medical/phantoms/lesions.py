"""Paints what is found: each kind where, as large and as dense as the study says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crossmod.sources.draw import Draw
from crossmod_medical.phantoms.anatomy import Anatomy, aorta
from crossmod_medical.phantoms.canvas import Canvas
from crossmod_medical.phantoms.patients import SIDES, Abnormality

Painter = Callable[[Canvas, Anatomy, Abnormality, Draw], None]


def _nodule(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    radius = found.size_mm / 2
    canvas.ellipsoid(anatomy.place(found.side, found.zone, found.place), (radius, radius, radius), found.hounsfield)


def _pleural_effusion(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """Fluid that the back of the lung swims on, deeper towards the diaphragm."""
    centre, radii = anatomy.lung(found.side)
    x, y, z = canvas.mesh()
    below = np.clip(0.55 - (z - centre[2]) / (1.6 * radii[2]), 0.0, 1.0)
    back = centre[1] - radii[1] + found.size_mm * 1.4 * below
    cover = np.clip((back - y) / 4.0 + 0.5, 0.0, 1.0) * (below > 0)
    canvas.region((cover + 0.0 * x).astype(np.float32), found.hounsfield, within=canvas.mask(centre, radii))


def _emphysema(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """Holes without tissue, most in the upper zones, in lungs that have become lighter."""
    for side in SIDES:
        centre, radii = anatomy.lung(side)
        lung = canvas.mask(centre, radii)
        for _ in range(26):
            zone = draw.choose(("upper", "upper", "upper", "middle", "lower"))
            spread = draw.below(1000) / 1000, draw.below(1000) / 1000
            x, y, z = anatomy.place(side, zone, spread)
            radius = 7.0 + 9.0 * draw.below(1000) / 1000
            offset = 30.0 * (draw.below(1000) / 1000 - 0.5)
            canvas.ellipsoid((x, y, z + offset), (radius, radius, radius), found.hounsfield, within=lung)


def _consolidation(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """A cloud of overlapping airless lobules with air left between them."""
    lung = canvas.mask(*anatomy.lung(found.side))
    x, y, z = anatomy.place(found.side, found.zone, found.place)
    reach = found.size_mm / 2
    for _ in range(16):
        away = [reach * (2 * draw.below(1000) / 1000 - 1) for _ in range(3)]
        radius = reach * (0.25 + 0.2 * draw.below(1000) / 1000)
        at = (x + 0.7 * away[0], y + away[1], z + 0.8 * away[2])
        canvas.ellipsoid(at, (radius, radius, radius), found.hounsfield - 120.0 * draw.below(2), within=lung)


def _pericardial_effusion(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """A rim of fluid around the heart, painted under it."""
    centre, radii = anatomy.heart
    grown = (radii[0] + found.size_mm, radii[1] + found.size_mm, radii[2] + found.size_mm)
    outside = ~canvas.mask(centre, radii)
    canvas.ellipsoid(centre, grown, found.hounsfield, within=outside & ~_bone(canvas))


def _coronary(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    centre, radii = anatomy.heart
    for _ in range(7):
        turn = 2.2 * draw.below(1000) / 1000 - 0.6
        rise = 0.9 * draw.below(1000) / 1000 - 0.1
        ring = float(np.sqrt(max(0.0, 1.0 - rise**2)))
        at = (
            centre[0] - 0.92 * radii[0] * ring * float(np.sin(turn)),
            centre[1] + 0.92 * radii[1] * ring * float(np.cos(turn)),
            centre[2] + 0.92 * radii[2] * rise,
        )
        canvas.ellipsoid(at, (5.0, 5.0, 6.0), found.hounsfield)


def _aortic(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    for centre, radius in aorta(anatomy.scale)[10:]:
        if draw.chance(0.55):
            turn = 2 * np.pi * draw.below(1000) / 1000
            at = (centre[0] + radius * float(np.cos(turn)), centre[1] + radius * float(np.sin(turn)), centre[2])
            canvas.ellipsoid(at, (5.0, 5.0, 6.0), found.hounsfield)


def _atelectasis(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """A band across the lung, airless."""
    x, y, z = anatomy.place(found.side, found.zone, found.place)
    lung = canvas.mask(*anatomy.lung(found.side))
    for step in range(-5, 6):
        at = (x + 7.0 * step, y + 3.0 * step, z + 2.0 * step)
        half = found.size_mm / 2
        canvas.ellipsoid(at, (9.0, 12.0, half), found.hounsfield, within=lung)


def _pneumothorax(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """Air without lung along the front and the side; what lung is left is denser."""
    centre, radii = anatomy.lung(found.side)
    inward = -1.0 if found.side == "right" else 1.0
    lung = canvas.mask(centre, radii)
    kept = (radii[0] - 0.75 * found.size_mm, radii[1] - 0.9 * found.size_mm, radii[2] * 0.86)
    left = (centre[0] + inward * 0.5 * found.size_mm, centre[1] - 0.5 * found.size_mm, centre[2] - 8.0)
    remaining = canvas.mask(left, kept)
    canvas.region(np.float32(1.0) * (lung & ~remaining), found.hounsfield)
    canvas.hounsfield[lung & remaining] += 120.0


def _device(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """A box under the left collarbone and a lead to the heart."""
    size = anatomy.scale
    canvas.ellipsoid((-86.0 * size, 92.0 * size, 92.0 * size), (24.0, 9.0, 22.0), found.hounsfield)
    (x, y, z), _ = anatomy.heart
    for step in range(13):
        t = step / 12
        at = ((1 - t) * -62.0 * size + t * (x + 20.0), (1 - t) * 70.0 * size + t * y, (1 - t) * 80.0 * size + t * z)
        canvas.ellipsoid(at, (4.0, 4.0, 5.0), found.hounsfield)


def _nothing(canvas: Canvas, anatomy: Anatomy, found: Abnormality, draw: Draw) -> None:
    """The anatomy itself shows it (a large heart)."""


PAINTERS: dict[str, Painter] = {
    "cardiomegaly": _nothing,
    "emphysema": _emphysema,
    "consolidation": _consolidation,
    "atelectasis": _atelectasis,
    "pneumothorax": _pneumothorax,
    "lung nodule": _nodule,
    "pleural effusion": _pleural_effusion,
    "pericardial effusion": _pericardial_effusion,
    "coronary artery calcification": _coronary,
    "aortic calcification": _aortic,
    "cardiac device": _device,
}
"""By kind, in the order of painting: what comes later lies over what came before."""


def _bone(canvas: Canvas) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    bone: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = canvas.hounsfield > 150.0
    return bone
