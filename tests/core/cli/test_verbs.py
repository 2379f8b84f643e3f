"""Each verb calls its part of the package with what was typed, and refuses what cannot work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from crossmod.cli import data, doctor, embed, evaluate, health, new, train
from crossmod.cli.recipes import dump_recipe, parse_recipe
from crossmod.domain import Domain
from crossmod.errors import UserError


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """Stands in for the parts that verbs hand over to, and records how it was called."""
    made: list[SimpleNamespace] = []

    def stand_in(module_name: str, name: str) -> None:
        def call(*positional: Any, **named: Any) -> int:
            made.append(SimpleNamespace(name=name, positional=positional, named=named))
            return 7

        module = ModuleType(module_name)
        setattr(module, name, call)
        monkeypatch.setitem(sys.modules, module_name, module)

    stand_in("crossmod.training.run", "train")
    stand_in("crossmod.evaluation.run", "evaluate")
    stand_in("crossmod.evaluation.embed", "embed")
    stand_in("crossmod.scaffold", "write_domain")
    return made


@pytest.fixture
def run_folder(beads: Domain, tmp_path: Path) -> Path:
    """A finished run: its recipe, its environment and its model's spec."""
    folder = tmp_path / "runs" / "x"
    (folder / "model").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(dump_recipe(parse_recipe(beads, ["--seed", "11"])))
    (folder / "environment.json").write_text('{"domain": "beads"}')
    (folder / "model" / "spec.json").write_text('{"domain": "beads"}')
    return folder


def test_train_hands_over_the_recipe(beads: Domain, calls: list[SimpleNamespace]) -> None:
    words = ["beads", "--run.steps", "5"]
    assert train.run(words) == 7
    [call] = calls
    assert call.positional == (beads, parse_recipe(beads, ["--run.steps", "5"]))
    assert call.named == {"resume": None, "command": ["crossmod", "train", *words]}


def test_print_config_prints_what_would_run(
    beads: Domain, calls: list[SimpleNamespace], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert train.run(["beads", "--print_config", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "mine.yaml").write_text(printed)
    assert parse_recipe(beads, ["--config", "mine.yaml"]) == parse_recipe(beads, ["--seed", "3"])
    assert not calls


def test_help_shows_the_values_that_would_run(beads: Domain, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.run(["beads", "--help"]) == 0
    text = capsys.readouterr().out
    for part in ("--towers.beads.depth N", "Blocks. [2]", "--data.path TEXT", "[beads.tsv]", "[BeadTable; or BeadGen"):
        assert part in text
    assert train.run(["beads", "--data", "BeadGenerator", "--towers.beads.depth=9", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--data.rows N" in text and "How many. [10]" in text and "Blocks. [9]" in text
    assert "--data.path" not in text


def test_resume_goes_on_with_the_runs_own_recipe(run_folder: Path, calls: list[SimpleNamespace]) -> None:
    for words in (["beads", "--resume", str(run_folder)], ["--resume", str(run_folder)]):
        assert train.run([*words, "--run.steps", "9"]) == 7
        domain, recipe = calls[-1].positional
        assert (domain.name, recipe.seed, recipe.run.steps) == ("beads", 11, 9)
        assert calls[-1].named["resume"] == run_folder
    with pytest.raises(UserError, match=r"--seed cannot be changed with --resume"):
        train.run(["--resume", str(run_folder), "--seed", "1"])
    with pytest.raises(UserError, match=r"--config cannot be changed with --resume"):
        train.run(["--resume", str(run_folder), "--config", "small"])
    assert len(calls) == 2


def test_train_refuses_what_is_no_domain_or_no_run(
    beads: Domain, run_folder: Path, tmp_path: Path, calls: list[SimpleNamespace]
) -> None:
    with pytest.raises(UserError, match="needs a domain"):
        train.run(["--run.steps", "5"])
    with pytest.raises(UserError, match="there is no folder nowhere"):
        train.run(["--resume", "nowhere"])
    with pytest.raises(UserError, match="neither a run"):
        train.run(["--resume", str(tmp_path)])
    (run_folder / "model" / "spec.json").write_text('{"domain": "other"}')
    with pytest.raises(UserError, match="is of the domain 'other', not of 'beads'"):
        train.run(["beads", "--resume", str(run_folder)])
    assert not calls


def test_train_from_a_checkout(
    site: Path, beads: Domain, tmp_path: Path, calls: list[SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (site / "pyproject.toml").write_text(
        '[project.entry-points."crossmod.domains"]\nbeads = "crossmod_beads.domain:domain"\n'
    )
    assert train.run(["--domain", str(site), "--seed", "2"]) == 7
    assert calls[0].positional[1].seed == 2
    with pytest.raises(UserError, match="not both"):
        train.run(["beads", "--domain", str(site)])


def test_evaluate(run_folder: Path, calls: list[SimpleNamespace]) -> None:
    assert evaluate.run([str(run_folder), "--json"]) == 7
    assert calls[0].positional[0].name == "beads" and calls[0].positional[1] == run_folder
    assert calls[0].named == {"name": "retrieval", "options": [], "data": None, "as_json": True}
    model = run_folder / "model"
    assert evaluate.run([str(model), "--on", "colours", "--colours", "4", "--data.path", "new.tsv"]) == 7
    assert calls[1].positional[1] == model
    assert (calls[1].named["name"], calls[1].named["options"]) == ("colours", ["--colours=4"])
    assert calls[1].named["data"].path == "new.tsv"
    with pytest.raises(UserError, match=r"beads has retrieval, .*colours; did you mean colours"):
        evaluate.run([str(model), "--on", "colors"])


def test_evaluate_help_lists_evaluations_and_their_options(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.run([str(run_folder), "--help"]) == 0
    text = capsys.readouterr().out
    assert "which colours a string has" in text and "retrieval" in text
    assert evaluate.run([str(run_folder), "--on", "colours", "--help"]) == 0
    assert "--colours N" in capsys.readouterr().out


def test_embed(run_folder: Path, calls: list[SimpleNamespace]) -> None:
    words = [str(run_folder), "--modality", "text", "--output", "x.parquet"]
    assert embed.run([*words, "--split", "test", "--data.path", "new.tsv"]) == 7
    named = calls[0].named
    assert (named["modality"], named["split"], named["output"]) == ("text", "test", Path("x.parquet"))
    assert named["data"].path == "new.tsv"
    assert embed.run(words) == 7
    assert calls[1].named["data"] is None and calls[1].named["split"] == "all"
    for extra, sentence in (
        (["--split", "half"], "--split takes one of"),
        (["--seed", "2"], "--seed changes nothing in a trained model"),
        (["--data.pth", "x"], r"did you mean --data\.path"),
    ):
        with pytest.raises(UserError, match=sentence):
            embed.run([*words, *extra])
    with pytest.raises(UserError, match="has no tower 'txt'; did you mean text"):
        embed.run([str(run_folder), "--modality", "txt", "--output", "x.parquet"])
    with pytest.raises(UserError, match=r"ends in \.parquet"):
        embed.run([str(run_folder), "--modality", "text", "--output", "x.csv"])


def test_damaged_facts_of_a_run_are_refused(run_folder: Path) -> None:
    (run_folder / "model" / "spec.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        evaluate.run([str(run_folder)])
    (run_folder / "model" / "spec.json").write_text("[]")
    with pytest.raises(UserError, match="does not say which domain"):
        evaluate.run([str(run_folder)])


def test_data_look(beads: Domain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["rgb\tred green blue", "rr\tred", "rgb\tthree colours", "rr\tred", "b\tblue [b]old"]
    (tmp_path / "beads.tsv").write_text("\n".join(lines) + "\n")
    assert data.run(["look", "beads", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["rows"], facts["groups"], facts["rows_of_the_largest_group"], facts["repeated_rows"]) == (5, 3, 2, 1)
    assert facts["splits"] == {"train": 2, "validation": 1, "test": 2}
    assert facts["groups_in_several_splits"] == 2  # rgb: train, validation; rr: test, train
    assert facts["modalities"]["text"]["items"] == 5 and facts["modalities"]["text"]["repeated_items"] == 1
    assert facts["modalities"]["text"]["lengths"]["words"]["longest"] == 3
    lengths = facts["modalities"]["text"]["lengths"]["characters"]  # 3, 3, 11, 13, 14
    assert lengths == {"shortest": 3, "25%": 3, "median": 11, "75%": 13, "95%": pytest.approx(13.8), "longest": 14}
    assert facts["rejected"] == [{"modality": "text", "line": 7, "item": "??", "reason": "no letters"}]
    assert facts["facts"] == {"source": "beads.tsv"}
    assert data.run(["look", "beads"]) == 0
    text = capsys.readouterr().out
    assert "beads: 5 rows in 3 groups" in text and "WARNING: 2 groups" in text
    assert "1 x text: no letters; first in line 7: ??" in text and "blue [b]old" in text


def test_data_refuses_other_actions(beads: Domain) -> None:
    with pytest.raises(UserError, match="did you mean look"):
        data.run(["loook"])
    with pytest.raises(UserError, match="needs a domain"):
        data.run(["look"])


def test_doctor_reports_every_part(beads: Domain, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(["--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    findings = {finding["what"]: finding for finding in report["findings"]}
    assert report["can_train"] is True
    assert {"python", "torch", "lightning", "domain beads", "device", "threads", "memory", "disk", "folder"} <= set(
        findings
    )
    assert findings["domain beads"]["found"] == "crossmod-beads 1.2"


def test_doctor_ends_with_2_when_training_is_prevented(
    beads: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "listing", list)
    assert doctor.run([]) == 2
    text = capsys.readouterr().out
    assert "no installed domain can be loaded" in text and "pip install crossmod-molecule" in text


def test_a_folder_that_cannot_be_written_prevents_training(tmp_path: Path) -> None:
    assert health._writable(tmp_path).state == "well"
    finding = health._writable(tmp_path / "none")
    assert finding.state == "prevents training" and finding.mend


def test_new(tmp_path: Path, calls: list[SimpleNamespace]) -> None:
    assert new.run(["spectra", "--folder", str(tmp_path)]) == 0
    assert calls[0].positional == ("spectra", tmp_path)


def test_new_refuses_a_domain_that_there_is(calls: list[SimpleNamespace]) -> None:
    with pytest.raises(UserError, match="'molecule' exists already"):
        new.run(["molecule"])
    assert not calls
