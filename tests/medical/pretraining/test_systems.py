"""Both systems of this folder train, and are scored by what each learns, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.cli.main import main

GRID = ("--towers.image.grid.size=[32,32,32]", "--towers.image.grid.spacing_mm=[12,12,10]")
SMALL = {
    "simcrop": (*GRID, "--towers.image.width=24", "--towers.image.depth=1", "--towers.text.width=24"),
    "velvet-med": (*GRID, "--towers.text.width=24", "--objectives.volumes.cube=16"),
}
SCORED = {"simcrop": ("probe", "sentence-patches"), "velvet-med": ("probe",)}
SHORT = ("--run.steps=2", "--run.batch_size=4", "--data.patients=12", "--data.workers=0", "--run.threads=1")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_system_trains_and_is_evaluated(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", "medical", f"--config={name}", *SMALL[name], *SHORT, f"--run.folder={run}"]) == 0
    shown = capsys.readouterr().out
    assert "retrieval, test split" in shown and "zero-shot, test split" in shown
    for evaluation in SCORED[name]:
        assert main(["evaluate", str(run), "--on", evaluation]) == 0
        assert "untrained" in capsys.readouterr().out


@pytest.mark.slow
def test_sentences_are_asked_of_a_tower_that_tells_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, towers = tmp_path / "run", ("--towers.text.buckets=1024", "--towers.text.width=16", "--towers.image.base=8")
    assert main(["train", "medical", *GRID, *towers, *SHORT, f"--run.folder={run}"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--on", "sentence-patches"]) == 2
    assert "does not tell" in " ".join(capsys.readouterr().err.split())
