"""`crossmod evaluate RUN --attack NAME` as a user types it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmod.cli.main import main
from crossmod.testing.conformance.installed import installed
from crossmod.testing.tiny import domain
from crossmod.vectors.tower import VectorTower


@pytest.fixture(autouse=True)
def installation(tmp_path: Path) -> Iterator[None]:
    with installed(domain, tmp_path):
        yield


def test_the_attack_stands_beside_clean_rows_and_noise_and_is_kept_with_the_run(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
):
    words = ["evaluate", str(runs[0]), "--attack", "sga", "--budget", "0.5", "--steps", "4", "--split", "train"]
    assert main([*words, "--recalls", "[1,5]"]) == 0
    printed = capsys.readouterr().out
    assert "sga on point guided by text, train split of tiny points" in printed
    assert all(f" {name} " in printed for name in ("clean", "sga", "random signs"))
    (table,) = json.loads((runs[0] / "evaluations" / "sga.json").read_text())
    shown = {row["cells"]["input"]: row["cells"] for row in table["rows"] if row["cells"]["direction"].startswith("p")}
    assert set(shown) == {"clean", "sga", "random signs", "guided by another"}
    assert shown["sga"]["epsilon"] == shown["random signs"]["epsilon"] == 0.5
    assert shown["sga"]["recall@5"] < shown["random signs"]["recall@5"] < shown["clean"]["recall@5"]
    assert shown["sga"]["asr@5"] > shown["random signs"]["asr@5"]


def test_another_run_adds_a_table_of_transfer(runs: list[Path], capsys: pytest.CaptureFixture[str]):
    words = ["evaluate", str(runs[0]), "--attack=universal", "--epochs=1", "--budget=[0.2,0.5]", "--json"]
    assert main([*words, "--modality=point", "--transfer", str(runs[1])]) == 0
    attack, transfer = json.loads(capsys.readouterr().out)
    assert [row["cells"]["source"] for row in transfer["rows"][:3]] == ["this run", str(runs[1]), "random pattern"]
    assert [row["cells"].get("epsilon") for row in attack["rows"]] == [None] * 2 + [0.2] * 4 + [0.5] * 4
    assert (runs[0] / "evaluations" / "universal.json").is_file()


def test_the_generators_attack_is_named_for_its_paper(runs: list[Path], capsys: pytest.CaptureFixture[str]):
    words = ["evaluate", str(runs[0]), "--attack", "c-pgc", "--epochs", "1", "--generator_widths", "[8,4]"]
    assert main([*words, "--budget", "0.2"]) == 0
    printed = capsys.readouterr().out
    assert "c-pgc on point guided by text" in printed and "c-pgc on text guided by point" in printed


def test_sentences_are_attacked_by_a_word_and_shown_to_another_run(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
):
    words = ["evaluate", str(runs[0]), "--attack=c-pgc", "--modality=text", "--epochs=2", "--generator_widths=[8,4]"]
    assert main([*words, "--recalls=[5]", "--transfer", str(runs[1]), "--json"]) == 0
    attack, transfer = json.loads(capsys.readouterr().out)
    assert "c-pgc on text guided by point" in attack["title"] and "The word is '" in attack["note"]
    assert [row["cells"]["source"] for row in transfer["rows"][:3]] == ["this run", str(runs[1]), "random word"]
    for row in transfer["rows"]:
        assert {f"target {name}" for name in ("this run", str(runs[1]))} < set(row["cells"])


def test_every_attack_lists_the_options_it_takes_and_no_other(capsys: pytest.CaptureFixture[str]):
    for attack, own, other in (("sga", "--steps N", "--epochs"), ("c-pgc", "--generator_widths", "--steps")):
        assert main(["evaluate", "--attack", attack, "--help"]) == 0
        text = capsys.readouterr().out
        assert own in text and other not in text and "--budget" in text and "--transfer" in text
    assert main(["evaluate", "--help"]) == 0
    assert "--attack NAME" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--attack", "sgo"], "there is no attack 'sgo'; there are sga, c-pgc, universal; did you mean sga?"),
        (["--attack", "sga", "--on", "probe"], "--on probe and --attack sga are two evaluations"),
        (["--attack", "sga", "--epochs", "3"], "epochs"),
        (["--attack", "sga", "--budget", "-0.1"], "--budget is -0.1; give numbers from 0"),
        (["--attack", "sga", "--budget", "much"], "budget"),
        (["--attack", "sga", "--modality", "text"], "text is made of TextInputs, which hold no continuous values"),
        (["--attack", "sga", "--transfer", "nowhere"], "nowhere holds no model"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(
    words: list[str], said: str, runs: list[Path], capsys: pytest.CaptureFixture[str]
):
    before = sorted((runs[0] / "evaluations").glob("*"))
    assert main(["evaluate", str(runs[0]), *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert sorted((runs[0] / "evaluations").glob("*")) == before


def test_a_model_of_discrete_inputs_is_refused_with_the_reason(
    runs: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(VectorTower, "continuous", None, raising=False)
    assert main(["evaluate", str(runs[0]), "--attack", "sga"]) == 2
    error = capsys.readouterr().err
    assert "no modality of this model has a continuous input that an attack could move" in error
    assert "the VectorTower of point declares its input discrete" in error and "TextInputs" in error
