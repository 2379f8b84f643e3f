"""What a finished run is scored on beside retrieval, when its domain asks for more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod.testing.tiny import TinyData, domain
from crossmod.training.run import train

ENDING = replace(domain, finish=("zero-shot",))


def _run(folder: Path) -> None:
    train(ENDING, parse_recipe(ENDING, ["--run.steps=4", "--data.points=60", f"--run.folder={folder}"]))


def test_the_domain_s_evaluations_stand_in_report_card_and_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path / "run")
    assert "zero-shot, test split" in capsys.readouterr().out
    assert "AUROC" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "95 % from" in (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")


def test_a_recipe_names_further_evaluations_and_unknown_ones_stop_it_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--run.steps=4", "--data.points=60", f"--run.folder={tmp_path / 'run'}"]
    train(domain, parse_recipe(domain, [*words, "--run.finish=[probe]"]))
    assert "probes on" in capsys.readouterr().out
    with pytest.raises(UserError, match="no evaluation 'prove'; it has"):
        train(domain, parse_recipe(domain, [*words[:2], "--run.finish=[prove]", f"--run.folder={tmp_path / 'other'}"]))
    assert not (tmp_path / "other").exists()


def test_a_corpus_without_labels_says_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build = TinyData.build

    def without_labels(settings: TinyData) -> Corpus:
        return replace(build(settings), labels={})

    monkeypatch.setattr(TinyData, "build", without_labels)
    _run(tmp_path / "run")
    said = capsys.readouterr().out
    assert "note: not evaluated on zero-shot: corpus tiny points has no labels with prompts" in said
    assert (tmp_path / "run" / "report.html").is_file()
