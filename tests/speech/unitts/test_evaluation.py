"""UniTTS from the command line: a codec, the language model on its codes, and what it says of texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from crossmod.cli.main import main


@pytest.fixture(scope="module")
def run(codec_words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of toy speech."""
    folder = tmp_path_factory.mktemp("unitts")
    words = ["train", "speech", *codec_words]
    codec = ["--config=distilcodec-teacher", "--towers.speech.groups=1", "--towers.speech.stages=1"]
    codec += ["--run.steps=80", "--run.finish=[]"]
    codec += ["--optimiser.rate=0.004", "--objectives.codec.segment_frames=16", f"--run.folder={folder / 'codec'}"]
    assert main([*words, *codec]) == 0
    small = ["--config=unitts", "--towers.text.codes=32", "--towers.text.vocabulary=280", "--towers.text.length=16"]
    small += ["--towers.text.longest=80", "--towers.text.width=64", "--towers.text.depth=2", "--towers.text.dropout=0"]
    small += ["--optimiser.rate=0.004", "--run.steps=120", "--run.batch_size=16"]
    small += [f"--run.initialise={folder / 'codec'}", "--run.initialise_only=[speech]", "--run.evaluate_every=60"]
    small += ["--run.select_by=perplexity", "--run.finish=[perplexity]", f"--run.folder={folder / 'run'}"]
    assert main([*words, *small]) == 0
    return folder / "run"


def table_of(run: Path, name: str, *options: str) -> tuple[dict[str, dict[str, Any]], str]:
    assert main(["evaluate", str(run), "--on", name, "--data.workers=0", *options]) == 0
    (table,) = json.loads((run / "evaluations" / f"{name}.json").read_text(encoding="utf-8"))
    key = table["columns"][0]["key"]
    return {row["cells"][key]: row["cells"] for row in table["rows"]}, table["note"]


def test_it_learns_every_task_and_reads_what_stands_before(run: Path) -> None:
    rows, _ = table_of(run, "perplexity")
    assert list(rows) == ["audio", "text", "text to speech", "speech to text"]
    for cells in rows.values():
        assert 1 < cells["perplexity"] < 0.7 * cells["counts"]
    for task in ("text to speech", "speech to text"):
        assert rows[task]["perplexity"] < 0.8 * rows[task]["exchanged"]
    assert rows["text to speech"]["perplexity"] < rows["audio"]["perplexity"]


def test_spoken_texts_are_nearer_to_their_own_recordings(run: Path, tmp_path: Path) -> None:
    rows, note = table_of(run, "spoken-texts", "--resamples=100", f"--recordings={tmp_path}", "--written=1")
    own, other = rows["text spoken, its own recording"], rows["text spoken, recording of other words"]
    assert own["distance"] < other["distance"] and 0.5 < own["length"] < 2
    assert rows["recording rebuilt from its codes"]["distance"] < own["distance"]
    assert "Other words are farther by" in note and "ended by themselves" in note
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000-original.wav", "000-spoken.wav"]


def test_the_codec_stays_as_it_was_and_validation_selects(run: Path) -> None:
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (run, run.parent / "codec"))
    codec = [name for name in theirs if name.startswith("towers.speech.")]
    assert len(codec) > 30 and all(torch.equal(ours[name], theirs[name]) for name in codec)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    scores = [line["perplexity"] for line in lines if line["split"] == "validation"]
    assert len(scores) == 2 and scores[0] < scores[1] < 0
