"""`crossmod new` writes a package that installs, lists, trains, reads a table and keeps every promise, unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from crossmod.cli.main import main
from crossmod.errors import UserError
from crossmod.scaffold import write, write_domain

NAMES = ("sonar-text", "x1")
QUICK = ("--data.readings=200", "--run.batch_size=16", "--run.steps=10", "--towers.text.depth=1")


def _run(*words: str, folder: Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([*([str(site)] if site is not None else []), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=NAMES)
def plugin(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder that the command wrote."""
    assert main(["new", request.param, "--folder", str(tmp_path)]) == 0
    return tmp_path / f"crossmod-{request.param}"


def _files(plugin: Path) -> list[Path]:
    return sorted(path for path in plugin.rglob("*") if path.is_file())


def test_writes_a_short_package_named_after_the_domain(plugin: Path) -> None:
    package = plugin.name.replace("-", "_")
    assert {str(path.relative_to(plugin)) for path in _files(plugin)} == {
        "README.md",
        "pyproject.toml",
        "tests/test_conformance.py",
        f"src/{package}/__init__.py",
        f"src/{package}/data.py",
        f"src/{package}/domain.py",
        f"src/{package}/recipes/default.yaml",
    }
    texts = [path.read_text(encoding="utf-8") for path in _files(plugin)]
    assert sum(bool(line.strip()) for text in texts for line in text.splitlines()) < 150
    assert not any("$" in text or "package." in text for text in texts)


def test_what_it_writes_is_clean(plugin: Path) -> None:
    _succeeded(_run("ruff", "check", "--isolated", "--no-cache", ".", folder=plugin))
    _succeeded(_run("ruff", "format", "--isolated", "--no-cache", "--check", ".", folder=plugin))


def test_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert write_domain("x1", tmp_path) == tmp_path / "crossmod-x1"
    assert f"crossmod train --domain {tmp_path / 'crossmod-x1'}" in capsys.readouterr().out


def test_trains_from_its_folder(tmp_path: Path) -> None:
    plugin, run = write_domain("sonar-text", tmp_path), tmp_path / "run"
    _succeeded(_run("crossmod", "train", "--domain", str(plugin), *QUICK, f"--run.folder={run}", folder=tmp_path))
    assert json.loads((run / "model" / "spec.json").read_text())["domain"] == "sonar-text"
    assert (run / "report.html").is_file()


def test_passes_the_conformance_tests(plugin: Path) -> None:
    said = _succeeded(_run("pytest", "-q", "-W", "error", "-p", "no:cacheprovider", folder=plugin))
    assert " passed" in said and "failed" not in said


def test_lists_and_shows_its_options_once_installed(tmp_path: Path) -> None:
    plugin = write_domain("sonar-text", tmp_path)
    _succeeded(_run("hatchling", "build", "-t", "wheel", folder=plugin))
    [wheel] = (plugin / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    listed = json.loads(_succeeded(_run("crossmod", "domains", "--json", folder=tmp_path, site=tmp_path / "site")))
    [found] = [domain for domain in listed if domain["name"] == "sonar-text"]
    assert found["installed"] and found["distribution"] == "crossmod-sonar-text"
    manual = _succeeded(_run("crossmod", "train", "sonar-text", "--help", folder=tmp_path, site=tmp_path / "site"))
    assert "--data.readings" in manual and "ReadingTable" in manual and "VectorEncoder" in manual


def test_reads_a_table_and_refuses_its_bad_lines(tmp_path: Path) -> None:
    plugin, table = write_domain("x1", tmp_path), tmp_path / "mine.csv"
    lines = [f"{n / 7:.3f},said of {n},{n % 5}" for n in range(300)]
    lines[10], lines[20], lines[30] = "no number,said of 10,0", "1.0,,0", '2.0,"said over\ntwo lines",0'
    table.write_text("\ufeffdepth,text,echo\n" + "\n".join(lines) + "\n", encoding="utf-8")
    words = ("--data", "ReadingTable", f"--data.path={table}", "--data.max_rejected=0.5", *QUICK[1:])
    run = tmp_path / "run"
    _succeeded(_run("crossmod", "train", "--domain", str(plugin), *words, f"--run.folder={run}", folder=tmp_path))
    rejects = [line.split("\t")[:3] for line in (run / "rejects.tsv").read_text().splitlines()[1:]]
    assert rejects == [["12", "reading", "it is not a sequence of numbers"], ["22", "text", "the text is empty"]]


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (b"text,depth\nna\xefve,1\n", (), "mine.csv is no CSV file in UTF-8"),
        (b"said,depth\nhigh,1\n", (), "mine.csv has ['said', 'depth']; set data.text, data.columns"),
        (b"text,depth\nhigh,1\n", ("--data.columns=[breadth]",), "set data.text, data.columns"),
        (b"", (), "mine.csv has []"),
    ],
)
def test_a_table_that_cannot_serve_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, options: tuple[str, ...], sentence: str
) -> None:
    plugin = write_domain("x1", tmp_path)
    (tmp_path / "mine.csv").write_bytes(content)
    words = ("--domain", str(plugin), "--data", "ReadingTable", "--data.path=mine.csv", *options)
    done = _run("crossmod", "data", "look", *words, folder=tmp_path)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name", ["../x", "/tmp/x", "a/b", "X", "1x", "x_y", "x--y", "-x", "x-", "", "class", "x y", "ö"]
)
def test_a_name_that_no_package_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot name a"):
        write_domain(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_installed_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="crossmod_metrics is installed already"):
        write_domain("metrics", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_stays(tmp_path: Path) -> None:
    (tmp_path / "crossmod-x1").mkdir()
    (tmp_path / "crossmod-x1" / "mine").write_text("kept")
    (tmp_path / "crossmod-x2").symlink_to(tmp_path / "nowhere")
    for name in ("x1", "x2"):
        with pytest.raises(UserError, match=f"crossmod-{name} exists already"):
            write_domain(name, tmp_path)
    assert [path.name for path in (tmp_path / "crossmod-x1").iterdir()] == ["mine"]
    with pytest.raises(UserError, match="there is no folder"):
        write_domain("x3", tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    original = Path.write_text

    def full(path: Path, *words: str, **named: str) -> int:
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        return original(path, *words, **named)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write.write_domain("x1", tmp_path)
    assert len(written) == 4 and list(tmp_path.iterdir()) == []
