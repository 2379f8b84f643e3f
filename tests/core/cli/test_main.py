"""The command from outside: exit codes, streams, what is imported, and how errors end."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from crossmod import registry
from crossmod.cli import domains, main
from crossmod.domain import Domain
from crossmod.errors import UserError

LIGHT = [
    ["--help"],
    ["domains"],
    ["domains", "--json"],
    ["train", "beads", "--help"],
    ["train", "beads", "--print_config"],
    ["train", "beads", "--sede", "1"],
    *([verb, "--help"] for verb in main.VERBS),
]


def crossmod(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONWARNINGS": "error"}
    return subprocess.run([sys.executable, "-m", "crossmod", *words], capture_output=True, text=True, env=environment)


def test_light_commands_import_no_torch(site: Path) -> None:
    program = (
        "import json, sys; from crossmod.cli.main import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    main(words)\n"
        "    heavy = {'torch', 'lightning', 'transformers', 'pandas'} & set(sys.modules)\n"
        "    assert not heavy, (words, heavy)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", program, json.dumps(LIGHT)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_help_reads_no_parser_library(site: Path) -> None:
    program = (
        "import sys; from crossmod.cli.main import main; main(['train', 'beads', '--help']); "
        "assert not {'jsonargparse', 'rich'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_help_of_every_verb_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    overview = capsys.readouterr().out
    for verb in main.VERBS:
        assert f"  {verb} " in overview
        assert main.main([verb, "--help"]) == 0
        text = capsys.readouterr().out
        assert "example" in text and f"  crossmod {verb}" in text
        assert max(map(len, text.splitlines())) <= 120


def test_the_command_from_outside(site: Path) -> None:
    done = crossmod(site, "domains")
    assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout
    assert "crossmod-beads 1.2" in done.stdout
    done = crossmod(site, "train", "beads", "--run.steps", "ten")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "crossmod: --run.steps takes a whole number, not 'ten'.\n"


def test_domains_as_json(beads: Domain, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.OFFICIAL, "botany", "Leaves with floras")
    assert main.main(["domains", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert found["beads"] == {
        "name": "beads",
        "summary": "Beads",
        "distribution": "crossmod-beads",
        "version": "1.2",
        "installed": True,
        "install": "pip install crossmod-beads",
    }
    assert (found["botany"]["version"], found["botany"]["installed"]) == (None, False)


def test_tables_are_drawn_on_a_terminal_only(beads: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, drawn in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("TERM", "xterm")
        assert main.main(["domains"]) == 0
        assert ("\x1b[" in stream.getvalue()) is drawn
        assert "beads" in stream.getvalue()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], "crossmod: there is no verb 'trian'; did you mean train?"),
        (["--verion"], "crossmod: there is no option --verion; crossmod --help lists the verbs."),
        (["train", "bead"], "crossmod: There is no domain 'bead'; did you mean 'beads'?"),
        (["train"], "crossmod train needs a domain, such as `crossmod train molecule`; `crossmod domains` lists them."),
        (["train", "beads", "--sede", "1"], "crossmod: there is no option --sede; did you mean --seed?"),
    ],
)
def test_user_errors_are_one_sentence_on_stderr(
    beads: Domain, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main.main(words) == 2
    assert capsys.readouterr() == ("", f"{sentence}\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"crossmod {version('crossmod')}\n"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UserError("give\nless"), 2, "crossmod: give less\n"),
        (OSError(errno.ENOSPC, "No space left", "runs/x/a.part"), 2, "the disk is full while writing runs/x/a.part"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "/x may not be opened by this user"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.csv"), 2, "there is no file or folder a.csv"),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C"),
    ],
)
def test_errors_that_are_the_users(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    def fail(words: list[str]) -> int:
        raise error

    monkeypatch.setattr(domains, "run", fail)
    assert main.main(["domains"]) == code
    output = capsys.readouterr()
    assert sentence in output.err and "Traceback" not in output.err
    assert output.err.count("\n") == 1 and output.out == ""


@pytest.mark.parametrize("error", [RuntimeError("ours"), OSError(errno.EIO, "broken disk"), ValueError("ours")])
def test_bugs_show_their_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(words: list[str]) -> int:
        raise error

    monkeypatch.setattr(domains, "run", fail)
    assert main.main(["domains"]) == 1
    output = capsys.readouterr().err
    assert "Traceback" in output and str(error) in output
    assert output.splitlines()[-1].startswith("crossmod: this is a bug")


def test_a_reader_that_stops_early_is_no_error(site: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = f"{sys.executable} -m crossmod train beads --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert done.stdout.startswith("usage: crossmod train beads") and done.stderr == ""


def test_options_of_an_evaluation_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["evaluate", "--attack", "sga", "--help"]) == 0
    text = capsys.readouterr().out
    assert "Whose items are attacked. [test]" in text and "--budget [A,B]" in text
