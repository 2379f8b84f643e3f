"""Bad input through the real command: one clear sentence with what to do, exit code 2, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossmod.cli.main import main
from crossmod.runs import checkpoint
from crossmod.testing import tiny
from crossmod.training import run as training

ROWS = ["id,smiles,description"] + [f"m{n},{'C' * n}O,an alcohol with {n} carbon atoms" for n in range(1, 41)]
SMALL = ["--data", "MoleculeTable", "--data.workers=0", "--data.split_by=random", "--run.steps=2", "--run.batch_size=8"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _train(table: str, *words: str) -> int:
    return main(["train", "molecule", *SMALL, f"--data.path={table}", "--data.id=id", "--run.folder=run", *words])


def _sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What stood on standard error: one line, no traceback, a full stop at its end."""
    text = capsys.readouterr().err.strip()
    assert "Traceback" not in text and len(text.splitlines()) == 1, text
    assert text.endswith((".", "`", ")")), text
    return text


def _write(place: Path, content: str | bytes, name: str = "table.csv") -> str:
    (place / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def test_a_good_table_trains(place: Path) -> None:
    assert _train(_write(place, "\n".join(ROWS))) == 0
    assert (place / "run" / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\n".join(["id,structure,description", *ROWS[1:]]), "smiles"),
        ("", "empty"),
        ("id,smiles,description\n", "no"),
        ("\n".join(ROWS).encode() + b"\nm99,CCO,\xff\xfe bad bytes\n", "UTF-8"),
        ("\n".join([*ROWS, "m1,c1ccccc1,another structure"]), "m1"),
        ("\n".join([*ROWS, *[f"x{n},not a molecule,text" for n in range(9)]]), "max_rejected"),
    ],
    ids=["wrong column", "empty file", "header alone", "not UTF-8", "duplicate id", "too many rejected"],
)
def test_a_bad_table_is_one_sentence(
    place: Path, capsys: pytest.CaptureFixture[str], content: str | bytes, said: str
) -> None:
    assert _train(_write(place, content)) == 2
    assert said in _sentence(capsys)
    left = {path.name for path in place.rglob("*") if path.is_file()}
    assert left <= {"table.csv", "rejects.tsv"}


def test_a_missing_file_is_one_sentence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("absent.csv") == 2
    assert "absent.csv" in _sentence(capsys)
    assert not (place / "run").exists()


def test_a_line_without_an_end_is_refused_without_reading_it_whole(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / "table.csv"
    with path.open("wb") as handle:
        handle.write(b"id,smiles,description\nm1,")
        handle.truncate(2**30)  # a gigabyte of one line, sparse on disk
    import tracemalloc

    tracemalloc.start()
    code = _train("table.csv", "--data.max_rejected=0.01")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code == 2
    assert "line 2" in _sentence(capsys)
    assert peak < 200 * 2**20


def test_rejected_rows_are_listed_with_their_lines(place: Path) -> None:
    assert _train(_write(place, "\n".join([*ROWS, "m99,C1CC,an open ring"])), "--data.max_rejected=0.2") == 0
    lines = (place / "run" / "rejects.tsv").read_text().splitlines()
    assert any(line.startswith("42\tmolecule\t") and "C1CC" in line for line in lines)
    assert "1 items could not be used" in (place / "run" / "report.html").read_text()


def test_a_checkpoint_of_another_domain_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from crossmod.cli.recipes import parse_recipe

    training.train(tiny.domain, parse_recipe(tiny.domain, ["--run.steps=2", "--run.folder=other"]))
    table = _write(place, "\n".join(ROWS))
    capsys.readouterr()
    assert _train(table, "--run.initialise=other") == 2
    assert "tiny" in _sentence(capsys)


def test_a_spec_that_differs_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = _write(place, "\n".join(ROWS))
    assert _train(table) == 0
    path = place / "run" / "processors" / "molecule" / "spec.json"
    spec = json.loads(path.read_text())
    spec["graph" if "graph" in spec else "radius"] = {"kind": "another"}
    path.write_text(json.dumps(spec))
    capsys.readouterr()
    assert main(["train", "molecule", "--resume", "run"]) == 2
    assert "graph" in _sentence(capsys) or "radius" in _sentence(capsys)


def test_a_full_disk_keeps_what_was_there(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _write(place, "\n".join(ROWS))
    original, calls = checkpoint.save_file, []

    def fill_up(tensors: object, path: Path, **how: object) -> None:
        calls.append(path)
        if len(calls) > 1:
            Path(path).write_bytes(b"half a checkpoint")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        original(tensors, path, **how)

    monkeypatch.setattr(checkpoint, "save_file", fill_up)
    assert _train(table, "--run.steps=4", "--run.save_every=2") == 2
    assert "disk" in _sentence(capsys)
    (kept,) = (place / "run" / "checkpoints").iterdir()
    assert kept.name == "step-00000002.safetensors"
    assert checkpoint.read_checkpoint(kept).step == 2
    monkeypatch.undo()
    monkeypatch.chdir(place)
    assert main(["train", "molecule", "--resume", "run"]) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_a_usable_checkpoint(place: Path, number: signal.Signals) -> None:
    table = _write(place, "\n".join(ROWS))
    words = ["--data.id=id", f"--data.path={table}", "--run.folder=run", "--run.steps=100000", "--run.log_every=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "crossmod", "train", "molecule", *SMALL[:-2], "--run.batch_size=8", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    metrics = place / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 200
    while not (metrics.is_file() and metrics.read_text().count("\n") > 2):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.2)
    process.send_signal(number)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "--resume run" in text and "Traceback" not in text
    (kept,) = (place / "run" / "checkpoints").glob("step-*")
    assert checkpoint.read_checkpoint(kept).step >= 3
    shutil.rmtree(place / "run")
