"""The comparator learns, and the table beside it holds what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from crossmod.cli.main import main
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.nodules.data import LidcNodules
from crossmod_medical.nodules.network import Examples, predict, train_network
from crossmod_medical.nodules.settings import SupervisedSettings
from crossmod_medical.processors import VolumeProcessor
from crossmod_metrics import roc_auc

SIZE = (12, 12, 6)


@pytest.fixture(scope="module")
def run(nodules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of the lidc system on drawn nodules."""
    folder = tmp_path_factory.mktemp("supervised") / "run"
    words = (
        *("train", "medical", "--config=lidc", f"--data.root={nodules}", f"--run.folder={folder}", "--run.steps=12"),
        *("--run.batch_size=8", "--run.evaluate_every=0", "--data.workers=0", "--run.threads=1"),
        *("--towers.text.width=32", "--towers.text.buckets=2048", "--embedding.width=32"),
        *("--data.held_back=0.3", "--towers.image.tower.grid.size=[12, 12, 6]", "--towers.image.tower.base=8"),
    )
    assert main(list(words)) == 0
    return folder


def test_the_network_learns_its_label_by_heart_and_generalises(nodules: Path) -> None:
    processor = VolumeProcessor(VolumeGrid(size=SIZE, spacing_mm=(1.0, 1.0, 2.0)))
    corpus = LidcNodules(root=str(nodules), captions=1, held_back=0.0).build()
    label = torch.from_numpy(corpus.labels["malignancy"].values)
    parts = []
    for split in ("train", "test"):
        rows = torch.from_numpy(corpus.rows(split))
        rows = rows[~label[rows].isnan()]
        items = [corpus.columns["image"].items[corpus.columns["image"].item[row]] for row in rows.tolist()]
        parts.append(Examples(processor(items), label[rows].long()))
    settings = SupervisedSettings(steps=40, check_every=40, batch_size=16, base=8)
    trained = train_network(*parts, processor, settings)
    assert trained.step == 40
    for part in parts:
        assert roc_auc(predict(trained.network, part.inputs), part.truth) > 0.95
    again = train_network(*parts, processor, settings)
    assert torch.equal(predict(trained.network, parts[1].inputs), predict(again.network, parts[1].inputs))


def test_every_way_is_scored_beside_the_network(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--steps", "10", "--check_every", "5", "--base", "8", "--resamples", "50", "--json")
    capsys.readouterr()
    assert main(["evaluate", str(run), "--on", "supervised", *words]) == 0
    table = json.loads(capsys.readouterr().out)[0]
    rows = {row["cells"]["by"]: row["cells"] for row in table["rows"]}
    assert list(rows) == [
        *("prompts (zero-shot)", "linear probe", "supervised 3-D network from scratch", "diameter_mm alone")
    ]
    # In the drawn corpus the diameter rises with malignancy, so that alone it tells all.
    assert rows["diameter_mm alone"]["auroc"] == 1.0
    network = rows["supervised 3-D network from scratch"]
    assert "gain" not in network
    for name in ("prompts (zero-shot)", "linear probe"):
        assert rows[name]["gain"] == pytest.approx(rows[name]["auroc"] - network["auroc"])
    assert "9 items of 9 subjects" in table["note"]


def test_what_cannot_be_compared_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--on", "supervised", "--label", "diameter_mm"]) == 2
    assert "no label 'diameter_mm' of two classes; there are malignancy" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--on", "supervised", "--steps", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
