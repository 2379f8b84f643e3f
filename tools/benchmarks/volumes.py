"""Reading CT volumes onto a grid, cold and remembered, against a MONAI Compose that gives the same tensor."""

from __future__ import annotations

import gzip
import multiprocessing
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Result, interleaved, memory_mib, reset_peak
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.processors import VolumeProcessor

SIZE, SPACING_MM = (256, 256, 128), (1.4, 1.4, 2.0)

# Grids for which MONAI's, which begins at a voxel, has the same middle: odd counts both before and after the crop.
GRID_SPACING_MM, GRID_SIZE = (1.4 * 255 / 170, 1.4 * 255 / 170, 2.0 * 127 / 84), (161, 161, 81)

LARGEST_DIFFERENCE = 3e-4
"""Half a hounsfield unit of rounding, in a window of 2,000."""


def write_scan(path: Path) -> None:
    """A body of noise in air, as large as many chest scans, axes as scanners leave them."""
    import nibabel

    draw = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]), indexing="ij")
    body = (x**2 + (1.4 * y) ** 2 < 0.8)[..., None]
    noise = draw.normal(0, 25, SIZE)
    voxels = np.where(body, 40 + noise, -1000 + 0.3 * noise).astype(np.int16)
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    path.write_bytes(gzip.compress(nibabel.Nifti1Image(voxels, affine).to_bytes(), 6, mtime=0))


def ours(path: Path, cache: str) -> np.ndarray[Any, Any]:
    """The tensor by this package, as its tower gets it."""
    grid = VolumeGrid(spacing_mm=GRID_SPACING_MM, size=GRID_SIZE, cache=cache)
    processor = VolumeProcessor(grid)
    return processor.inputs([processor.process([str(path)])]).x[0, 0].numpy()


def monai_pipeline() -> Callable[[Path], np.ndarray[Any, Any]]:
    """The tensor by MONAI's transforms."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai import transforms

        pipeline = transforms.Compose(
            [
                transforms.LoadImage(reader="NibabelReader", image_only=True, ensure_channel_first=True),
                transforms.Orientation(axcodes="RAS", labels=None),
                transforms.Spacing(pixdim=GRID_SPACING_MM, mode="bilinear"),
                transforms.ScaleIntensityRange(-1000, 1000, 0.0, 1.0, clip=True),
                transforms.ResizeWithPadOrCrop(GRID_SIZE, constant_values=0),
            ]
        )

    def run(path: Path) -> np.ndarray[Any, Any]:
        return np.asarray(pipeline(str(path)))[0].transpose(2, 1, 0)

    return run


def peak_growth_mib(which: str, path: str) -> float:
    """How far one volume raises the memory of a fresh process, its libraries and a small volume read before."""
    import torch

    torch.set_num_threads(1)
    small = Path(path).with_name("small.nii.gz")
    run = monai_pipeline() if which == "monai" else (lambda file: ours(file, "off"))
    run(small)
    reset_peak()
    before = memory_mib("VmRSS")
    run(Path(path))
    return memory_mib("VmHWM") - before


def _memory(path: Path) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    grown = []
    for which in ("ours", "monai"):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            grown.append(pool.submit(peak_growth_mib, which, str(path)).result())
    return grown[0], grown[1]


def _write_small(path: Path) -> None:
    import nibabel

    voxels = np.random.default_rng(0).integers(-1000, 1000, (16, 16, 16)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0])), path)


def volumes(rounds: int) -> list[Result]:
    """Volumes a second, cold and from the cache, and peak memory, on .nii.gz of 256 x 256 x 128 int16."""
    with tempfile.TemporaryDirectory() as folder:
        path, cache = Path(folder) / "scan.nii.gz", str(Path(folder) / "cache")
        write_scan(path)
        _write_small(path.with_name("small.nii.gz"))
        monai = monai_pipeline()
        difference = float(np.abs(ours(path, cache) - monai(path)).max())
        if difference > LARGEST_DIFFERENCE:
            raise AssertionError(f"the tensors differ by {difference:g}, so that their times say nothing")
        seconds = interleaved(
            {
                "cold": lambda: ours(path, "off"),
                "cached": lambda: VolumeProcessor(
                    VolumeGrid(spacing_mm=GRID_SPACING_MM, size=GRID_SIZE, cache=cache)
                ).process([str(path)]),
                "monai": lambda: monai(path),
            },
            rounds,
        )
        own_mib, monai_mib = _memory(path)
    rate = {name: 1 / value for name, value in seconds.items()}
    cold, cached = rate["cold"] / rate["monai"], rate["cached"] / rate["monai"]
    share = own_mib / monai_mib
    return [
        Result(
            f"CT onto a grid, volumes/s (MONAI Compose, equal within {difference:.1g})",
            f"{rate['cold']:.2f}",
            f"{rate['monai']:.2f}",
            f"{cold:.1f}x",
            ">= 5x",
            cold >= 5,
        ),
        Result(
            "the same from the cache, volumes/s",
            f"{rate['cached']:.0f}",
            f"{rate['monai']:.2f}",
            f"{cached:.0f}x",
            ">= 100x",
            cached >= 100,
        ),
        Result(
            "peak memory of one volume, MiB",
            f"{own_mib:.0f}",
            f"{monai_mib:.0f}",
            f"{share:.2f}x",
            "<= 0.25x",
            share <= 0.25,
        ),
    ]
