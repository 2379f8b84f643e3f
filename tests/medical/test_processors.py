"""Processors of volumes and images: what they make, remember, refuse, and ask of a checkpoint."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crossmod.errors import UserError
from crossmod_medical import processors as module
from crossmod_medical.grid import ImageGrid, VolumeGrid
from crossmod_medical.image_processor import ImageProcessor
from crossmod_medical.processors import VolumeProcessor
from crossmod_medical.sources import VolumeSource
from crossmod_medical.volumes import VolumeInputs

Write = Callable[..., Path]
SIZE, SPACING = (8, 6, 4), (2.0, 2.0, 3.0)


def noise(seed: int = 0) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.random.default_rng(seed).integers(-1000, 1000, SIZE).astype(np.int16)


@pytest.fixture
def grid(tmp_path: Path) -> VolumeGrid:
    return VolumeGrid(spacing_mm=SPACING, size=SIZE, cache=str(tmp_path / "cache"))


def test_windows_become_channels_from_0_to_1(grid: VolumeGrid) -> None:
    windows = replace(grid, windows_hu=((-1000.0, 1000.0), (-160.0, 240.0)))
    voxels = torch.tensor([-1024, -1000, 0, 40, 240, 3000], dtype=torch.int16).view(1, 1, 1, 6)
    x = VolumeInputs(voxels, windows).x
    assert x.shape == (1, 2, 1, 1, 6)
    assert x[0, 0].flatten().tolist() == pytest.approx([0, 0, 0.5, 0.52, 0.62, 1])
    assert x[0, 1].flatten().tolist() == pytest.approx([0, 0, 0.4, 0.5, 1, 1])


def test_a_second_run_reads_no_scan(write_nifti: Write, grid: VolumeGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nifti(noise(), SPACING)
    first = VolumeProcessor(grid).process([str(path)])

    def never(*_: Any) -> Any:
        raise AssertionError("it was read again")

    with monkeypatch.context() as patch:
        patch.setattr(module, "read_volume", never)
        again = VolumeProcessor(grid).process([str(path)])
        assert np.array_equal(first.arrays["voxels"], again.arrays["voxels"])
        # Windows are applied later, so another window is the same entry; another file of the same content, too.
        other = replace(grid, windows_hu=((-160.0, 240.0),))
        assert VolumeProcessor(other).process([str(path)]).accepted.tolist() == [0]
        copy = path.with_name("copy.nii.gz")
        copy.write_bytes(path.read_bytes())
        assert VolumeProcessor(grid).process([str(copy)]).accepted.tolist() == [0]
        for changed in (replace(grid, spacing_mm=(2.0, 2.0, 4.0)), replace(grid, interpolation="area")):
            with pytest.raises(AssertionError, match="read again"):
                VolumeProcessor(changed).process([str(path)])
        with pytest.raises(AssertionError, match="read again"):
            VolumeProcessor(grid).process([VolumeSource(str(path), slope=2.0)])


def test_a_changed_file_and_a_broken_entry_are_read_again(write_nifti: Write, grid: VolumeGrid) -> None:
    path = write_nifti(noise(0), SPACING)
    first = VolumeProcessor(grid).process([str(path)]).arrays["voxels"]
    write_nifti(noise(1), SPACING)
    second = VolumeProcessor(grid).process([str(path)]).arrays["voxels"]
    assert not np.array_equal(first, second)
    for entry in Path(grid.cache).iterdir():
        if entry.is_file():
            entry.write_bytes(entry.read_bytes()[:-7])
    assert np.array_equal(VolumeProcessor(grid).process([str(path)]).arrays["voxels"], second)


def test_counts_survive_the_cache(write_nifti: Write, grid: VolumeGrid) -> None:
    path = write_nifti((noise() // 4 + 300).astype(np.int16), SPACING)
    counts = [VolumeProcessor(grid).process([str(path)]).counts for _ in range(2)]
    assert counts[0] == counts[1] == {module.ODD_AIR: 1}


def test_a_folder_that_cannot_be_written_says_what_to_do(write_nifti: Write, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    grid = VolumeGrid(spacing_mm=SPACING, size=SIZE, cache=str(blocked))
    with pytest.raises(UserError, match="CROSSMOD_CACHE"):
        VolumeProcessor(grid).process([str(write_nifti(noise(), SPACING))])


@pytest.mark.parametrize(
    "change",
    [
        {"windows_hu": ((-160.0, 240.0),)},
        {"spacing_mm": (2.0, 2.0, 4.0)},
        {"size": (8, 6, 5)},
        {"interpolation": "area"},
    ],
)
def test_a_checkpoint_of_other_volumes_is_refused(grid: VolumeGrid, change: dict[str, Any]) -> None:
    spec = VolumeProcessor(replace(grid, **change)).spec
    with pytest.raises(UserError, match=f"inputs with {next(iter(change))}"):
        VolumeProcessor(grid).require(spec)
    assert VolumeProcessor(grid).require(VolumeProcessor(replace(grid, cache="off")).spec) == VolumeProcessor(grid)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "positive distances"),
        ({"size": (0, 8, 8)}, "voxel counts"),
        ({"size": (4096, 4096, 4096)}, "at most"),
        ({"windows_hu": ()}, "at least one window"),
        ({"windows_hu": ((100.0, -100.0),)}, "up to a higher value"),
        ({"windows_hu": ((-3000.0, 100.0),)}, "-1024 or more"),
    ],
)
def test_impossible_grids_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        VolumeGrid(**options)


def test_images_are_fitted_as_said(tmp_path: Path) -> None:
    wide = np.zeros((10, 20, 3), np.uint8)
    wide[:, :10] = 200
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    for fit, rows, left in (
        ("pad", [0, 200, 0], 200),
        ("crop", [200, 200, 200], 200),
        ("stretch", [200, 200, 200], 200),
    ):
        grid = ImageGrid(size=(20, 20), channels=1, fit=fit)
        pixels = ImageProcessor(grid)([str(path)]).pixels[0, 0]
        assert [int(pixels[row, 2]) for row in (1, 10, 18)] == rows and int(pixels[10, 2]) == left
    x = ImageProcessor(ImageGrid(size=(20, 20)))([str(path)]).x
    assert x.shape == (1, 3, 20, 20) and float(x.max()) == pytest.approx(200 / 255)


def test_images_of_sixteen_bits_fill_the_range(tmp_path: Path) -> None:
    values = np.linspace(1000, 5000, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pixels = ImageProcessor(ImageGrid(size=(8, 8), channels=1))([str(tmp_path / "deep.png")]).pixels
    assert int(pixels.min()) == 0 and int(pixels.max()) == 255


def test_hostile_images_are_rejected_in_words(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:3000])
    bomb = bytearray(whole.read_bytes())
    bomb[16:24] = (60000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(bomb)
    items = [str(tmp_path / name) for name in ("text.png", "cut.png", "bomb.png", "absent.png")]
    processed = ImageProcessor(ImageGrid(size=(8, 8))).process([*items, None, str(whole)])
    assert processed.accepted.tolist() == [5]
    reasons = [reason for _, reason in processed.rejected]
    assert reasons[0] == "it is no image of a known kind" and reasons[3] == "there is no such file"
    assert "broken" in reasons[1] and "more pixels than any image" in reasons[2]


@pytest.mark.parametrize("change", [{"windows_hu": ((-160.0, 240.0),)}, {"spacing_mm": (2.0, 2.0, 4.0)}])
def test_other_volumes_are_taken_only_where_the_grid_says_so(grid: VolumeGrid, change: dict[str, Any]) -> None:
    other = replace(grid, **change)
    prepared = VolumeInputs(torch.zeros((1, *grid.shape), dtype=torch.int16), other)
    name = next(iter(change))
    with pytest.raises(UserError, match=f"prepared with {name} .*other_grids to accept"):
        VolumeProcessor(grid).check(prepared)
    with pytest.raises(UserError, match=r"inputs with .*other_grids to accept"):
        VolumeProcessor(grid).require(VolumeProcessor(other).spec)
    accepting = VolumeProcessor(replace(grid, other_grids="accept"))
    accepting.check(prepared)
    assert accepting.require(VolumeProcessor(other).spec) == accepting
    VolumeProcessor(grid).check(VolumeInputs(prepared.voxels, replace(grid, cache="off")))


def test_no_override_makes_other_units_or_directions_acceptable(grid: VolumeGrid) -> None:
    accepting = VolumeProcessor(replace(grid, other_grids="accept"))
    for name, value in (("unit", "grey"), ("orientation", "LPS"), ("kind", "image")):
        with pytest.raises(UserError, match=f"inputs with {name}"):
            accepting.require({**accepting.spec, name: value})
