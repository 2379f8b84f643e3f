"""The `ct-clip` recipe: volumes of the published size, a run with its evaluations, a CT-RATE tree as its data."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import crossmod
from crossmod.cli.main import main
from crossmod.cli.recipes import parse_recipe
from crossmod_medical.domain import domain
from crossmod_medical.encoders.settings import VolumeTransformer
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.processors import read_volume
from crossmod_medical.reports.prompts import CT_RATE_FINDINGS
from crossmod_medical.sources import VolumeSource
from crossmod_medical.volumes import VolumeInputs

SMALL = (
    *("--config=ct-clip", "--run.steps=3", "--run.batch_size=8", "--run.evaluate_every=0", "--run.threads=1"),
    *("--data.workers=0", "--towers.image.grid.spacing_mm=[12, 12, 18]", "--towers.image.grid.size=[32, 24, 16]"),
    *("--towers.image.patch=[8, 4, 4]", "--towers.image.width=16", "--towers.image.depth=1", "--embedding.width=16"),
)


def test_the_recipe_is_the_sheet_s_model() -> None:
    recipe = parse_recipe(domain, ["--config=ct-clip"])
    image, contrast = recipe.towers.modalities["image"], recipe.objectives["contrast"]
    assert isinstance(image, VolumeTransformer)
    assert (image.attention, image.pooling) == ("factorised", "flatten")
    tower = image.build(image.fit_processor([]))
    pooling = tower.flat_pooling
    assert pooling.bias is None and pooling.in_features == 8 * 6 * image.width  # depth is averaged, places are not
    assert list(recipe.objectives) == ["contrast"] and contrast.groups
    assert recipe.run.draw == "groups"


def test_a_volume_of_the_published_size(write_nifti: Callable[..., Path]) -> None:
    # 512 x 512 x 100 at 0.65, 0.65, 3.0 mm; the released loader floors 443.7 x 443.7 x 200, here a place within the
    # scan counts, so that one row and one column more are filled.
    grid = VolumeGrid(spacing_mm=(0.75, 0.75, 1.5), size=(480, 480, 240), cache="off")
    volume = np.random.default_rng(0).integers(-900, 3000, (512, 512, 100)).astype(np.int16)
    read = read_volume(VolumeSource(str(write_nifti(volume, (0.65, 0.65, 3.0)))), grid)
    x = 2 * VolumeInputs(torch.from_numpy(read.voxels[None]), grid).x - 1
    assert x.shape == (1, 1, 240, 480, 480) and float(x.min()) == -1.0 and float(x.max()) == 1.0
    filled = x[0, 0] > -1
    assert [int(filled.flatten(1).any(1).sum()), int(filled.any(0).any(1).sum()), int(filled.any(0).any(0).sum())] == [
        *(200, 444, 444)
    ]
    assert bool((x[0, 0, :20] == -1).all()) and bool((x[0, 0, :, :18] == -1).all())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct-clip")
    words = [f"--run.folder={folder / 'run'}", "--data.patients=40", f"--data.folder={folder / 'phantoms'}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSMOD_CACHE", str(folder / "cache"))
        assert main(["train", "medical", *SMALL, *words]) == 0
    return folder / "run"


def test_the_report_has_phrases_over_slices(run: Path) -> None:
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "lung nodule over slices, test split" in report and "Lung nodule is present." in report
    assert "places that are nearer to the phrase than in the other scans" in report
    assert "AUPRC" in report and "Intervals resample subjects" in report


def _tables(run: Path, name: str, *options: str) -> list[dict[str, Any]]:
    assert main(["evaluate", str(run), "--on", name, "--data.workers=0", *options]) == 0
    found: list[dict[str, Any]] = json.loads((run / "evaluations" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_it_is_scored_as_the_survey_asks(run: Path) -> None:
    (zero_shot,) = _tables(run, "zero-shot", "--resamples=20")
    scored = [row["cells"] for row in zero_shot["rows"] if "f1" in row["cells"]]
    assert scored and all({"auroc", "low", "high", "auprc", "f1", "ece"} <= cells.keys() for cells in scored)
    (few,) = _tables(run, "few-labels", "--draws=2", "--untrained=false")
    assert [row["cells"]["share"] for row in few["rows"]] == [1, 10, 100]
    (groups,) = _tables(run, "subgroups", "--resamples=0", "--least_subjects=2")
    assert {row["cells"]["attribute"] for row in groups["rows"]} >= {"sex"}
    (similar,) = _tables(run, "similar", "--ks=[1,5]")
    assert {"at1", "at5"} <= similar["rows"][0]["cells"].keys()
    (retrieval,) = _tables(run, "retrieval", "--recalls=[1,5,10]", "--query=text")
    assert "every item of the query's group" in retrieval["note"]


def test_another_spacing_is_refused_unless_the_grid_accepts_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = f"--data.folder={run.parent / 'phantoms'}"
    words = ["train", "medical", *SMALL, data, "--data.patients=40", f"--run.initialise={run}"]
    words += ["--towers.image.grid.spacing_mm=[12, 12, 16]"]
    assert main([*words, f"--run.folder={run.parent / 'refused'}"]) != 0
    said = capsys.readouterr().err
    assert "spacing_mm [12.0, 12.0, 18.0]" in said and "grid.other_grids to accept" in said
    assert main([*words, f"--run.folder={run.parent / 'taken'}", "--towers.image.grid.other_grids=accept"]) == 0
    model = crossmod.load(str(run))
    grid = VolumeGrid(spacing_mm=(12.0, 12.0, 18.0), size=(32, 24, 16), windows_hu=((-10.0, 10.0),))
    with pytest.raises(ValueError, match="prepared with windows_hu"):
        model.embed("image", VolumeInputs(torch.zeros((1, *grid.shape), dtype=torch.int16), grid))


def test_a_ct_rate_tree_is_its_data(tmp_path: Path, write_nifti: Callable[..., Path]) -> None:
    draw = np.random.default_rng(0)
    names = [f"{half}_{number}_a_1" for half, count in (("train", 20), ("valid", 6)) for number in range(1, count + 1)]
    for name in names:
        half, number, scan, _ = name.split("_")
        volume = np.full((24, 20, 16), -1000, np.int16)
        volume[6:18, 5:15, 4:12] = draw.integers(-200, 200, (12, 10, 8))
        folder = f"root/{half}_fixed/{half}_{number}/{half}_{number}_{scan}"
        write_nifti(volume, (12.0, 12.0, 18.0), name=f"{folder}/{name}.nii.gz")
    for half, long in (("train", "train"), ("valid", "validation")):
        own = [f"{name}.nii.gz" for name in names if name.startswith(half)]
        texts = [[name, f"Findings of {name}.", "Not given."] for name in own]
        _table(tmp_path / f"root/{long}_reports.csv", ["VolumeName", "Findings_EN", "Impressions_EN"], texts)
        labels = [[name, *draw.integers(0, 2, 18).tolist()] for name in own]
        columns = ["VolumeName", *[finding.name for finding in CT_RATE_FINDINGS]]
        _table(tmp_path / f"root/{half}_predicted_labels.csv", columns, labels)
    words = ["--data=CtRate", f"--data.root={tmp_path / 'root'}", "--data.version=2", "--data.validation=0.2"]
    words += ["--data.workers=0", f"--run.folder={tmp_path / 'run'}"]
    assert main(["train", "medical", *SMALL, *words]) == 0
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "CT-RATE version 2" in report and "over slices, test split" in report


def _table(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
