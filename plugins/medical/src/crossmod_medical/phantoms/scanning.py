"""From a study to NIfTI files: the body painted, its findings over it, noise on top, axes as scanners leave them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossmod.sources.draw import Draw
from crossmod_medical.phantoms.anatomy import Anatomy, paint_body
from crossmod_medical.phantoms.canvas import Canvas
from crossmod_medical.phantoms.lesions import PAINTERS
from crossmod_medical.phantoms.patients import Study
from crossmod_medical.readers.nifti import DIRECTIONS

SIZE = (80, 60, 44)
SPACING_MM = (4.4, 4.4, 6.6)
"""A chest of 350 x 260 x 290 mm on a grid that is written and read in milliseconds."""

NOISE_HOUNSFIELD = (14.0, 40.0)
"""Of a soft and of a sharp reconstruction."""

STORED_AXES = ("LPS", "RAS", "LAS")


def paint(study: Study, reconstruction: int, seed: int) -> Canvas:
    """The volume of one reconstruction, axes to the right, front and head."""
    patient = study.patient
    body = Draw(patient.name, seed, "body")
    stretch = [1.0 + 0.06 * (body.below(1000) / 1000 - 0.5) for _ in range(3)]
    spacing = tuple(step * patient.scale * more for step, more in zip(SPACING_MM, stretch, strict=True))
    canvas = Canvas(SIZE, (spacing[0], spacing[1], spacing[2]))
    anatomy = Anatomy(patient.scale, 1.34 if study.has("cardiomegaly") else 1.0)
    paint_body(canvas, anatomy, patient, study.contrast, body)
    order = list(PAINTERS)
    for number, found in enumerate(sorted(study.abnormalities, key=lambda one: order.index(one.kind))):
        PAINTERS[found.kind](canvas, anatomy, found, Draw(study.name, seed, "paint", found.kind, number))
    sigma = NOISE_HOUNSFIELD[reconstruction % len(NOISE_HOUNSFIELD)]
    canvas.hounsfield += sigma * _noise(canvas.hounsfield.shape, Draw(study.name, seed, "noise", reconstruction))
    return canvas


def _noise(shape: tuple[int, ...], draw: Draw) -> npt.NDArray[np.float32]:
    """Nearly normal noise of deviation one: the sum of three uniform numbers, whose stream is the same anywhere."""
    stream = np.random.Generator(np.random.PCG64(draw.below(1 << 48)))
    uniform = [stream.random(shape, np.float32) for _ in range(3)]
    return np.asarray(2.0 * (uniform[0] + uniform[1] + uniform[2]) - 3.0, np.float32)


def write_scan(path: Path, study: Study, reconstruction: int, seed: int) -> None:
    """Write one reconstruction as .nii.gz: int16 hounsfield units, an affine, and equal bytes every time."""
    import nibabel

    canvas = paint(study, reconstruction, seed)
    voxels = np.rint(np.clip(canvas.hounsfield, -1024, 3071)).astype(np.int16).transpose(2, 1, 0)
    axes = Draw(study.name, seed, "axes", reconstruction).choose(STORED_AXES)
    affine = np.eye(4)
    for column, letter in enumerate(axes):
        axis, sign = DIRECTIONS[letter]
        affine[axis, column] = sign * canvas.spacing_mm[axis]
        affine[axis, 3] = -sign * canvas.spacing_mm[axis] * (SIZE[axis] - 1) / 2
        voxels = voxels[tuple(slice(None, None, sign) if at == axis else slice(None) for at in range(3))]
    image = nibabel.Nifti1Image(np.ascontiguousarray(voxels), affine, dtype=np.int16)
    image.header.set_xyzt_units("mm")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(gzip.compress(image.to_bytes(), 1, mtime=0))
    part.replace(path)


def write_missing(jobs: Sequence[tuple[str, Study, int]], folder: str, seed: int) -> int:
    """Write the scans that are not there yet; returns how many were."""
    written = 0
    for name, study, reconstruction in jobs:
        path = Path(folder) / name
        if not path.is_file():
            write_scan(path, study, reconstruction, seed)
            written += 1
    return written
