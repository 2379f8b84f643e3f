"""A folder in the layout of the LIDC nodules, drawn: large bright balls are malignant, small dim ones benign."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

COLUMNS = (
    *("name", "split", "patient_id", "size_z", "spacing_z", "diameter_mm", "malignancy_value", "malignancy"),
    *("texture", "calcification", "sphericity", "margin", "lobulation", "spiculation", "subtlety"),
)
TERMS = ("Highly Unlikely", "Moderately Unlikely", "Indeterminate", "Moderately Suspicious", "Highly Suspicious")
SPACING_MM = (1.0, 1.0, 2.0)


def rated(number: int, split: str, patient: str, malignancy: int) -> dict[str, Any]:
    """A row of the table."""
    return {
        "name": f"{patient}_R_{number}",
        "split": split,
        "patient_id": patient,
        "size_z": 6,
        "spacing_z": SPACING_MM[2],
        "diameter_mm": 3.0 + 2.0 * malignancy + 0.1 * (number % 3),
        "malignancy_value": malignancy,
        "malignancy": TERMS[malignancy - 1],
        "texture": "Solid" if number % 2 else "Non-Solid/GGO",
        "calcification": "Absent",
        "sphericity": "Round",
        "margin": "Sharp" if malignancy < 4 else "Poorly Defined",
        "lobulation": "No Lobulation",
        "spiculation": "No Spiculation" if malignancy < 4 else "Marked Spiculation",
        "subtlety": "Obvious",
    }


def write_table(root: Path, rows: list[dict[str, Any]]) -> None:
    with (root / "nodules.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def write_nodule(root: Path, row: dict[str, Any], draw: np.random.Generator) -> None:
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (16, 16, 6)), indexing="ij")
    distance = np.sqrt(x**2 + y**2 + (SPACING_MM[2] * z) ** 2)
    inside = distance < row["diameter_mm"] / 2
    voxels = np.where(inside, -100 + 40 * row["malignancy_value"], -850) + draw.normal(0, 20, inside.shape)
    path = root / row["split"] / "image" / f"{row['name']}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.rint(voxels).astype(np.int16), np.diag([*SPACING_MM, 1.0])), path)


def write_nodules(root: Path) -> Path:
    """36 nodules of 24 patients to train on, 12 of 12 to test on, of all five malignancies."""
    root.mkdir(parents=True)
    rows = [rated(n, "train", f"P{n % 24:02}", 1 + (n * 2) % 5) for n in range(36)]
    rows += [rated(100 + n, "val", f"V{n:02}", 1 + (n * 2) % 5) for n in range(12)]
    draw = np.random.default_rng(0)
    for row in rows:
        write_nodule(root, row, draw)
    write_table(root, rows)
    return root


@pytest.fixture(scope="session")
def nodules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a folder."""
    return write_nodules(tmp_path_factory.mktemp("nodules") / "lidc")


@pytest.fixture
def table_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder whose table has the rows of some changes to one usable row; its scans are absent."""

    def write(*changes: dict[str, Any]) -> Path:
        rows = [rated(number, "train", f"P{number}", 1 + number % 5) | change for number, change in enumerate(changes)]
        write_table(tmp_path, rows)
        return tmp_path

    return write
