"""What the documents say can be done can be done: links lead somewhere, commands exist, examples run."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from crossmod.cli.main import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("packages/*/README.md"),
        *ROOT.glob("plugins/*/README.md"),
        ROOT / "core" / "README.md",
    ]
)


def _blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"


def test_the_readme_begins_with_its_two_commands() -> None:
    lines = [line for block in _blocks(ROOT / "README.md", "bash") for line in block.splitlines()]
    assert lines[0].endswith("uv run crossmod train molecule")
    assert lines[1].endswith("uv run pytest")
    assert all("pip install uv" in line for line in lines[:2])


def test_continuous_integration_calls_the_readmes_command() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "uv run pytest" in text and "README.md" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_verb_that_is_shown_answers_help(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in _blocks(path, "bash"):
        for verb in re.findall(r"crossmod (domains|train|evaluate|embed|doctor|new|data look)\b", block):
            assert main([*verb.split(), "--help"]) == 0
            assert verb.split()[0] in capsys.readouterr().out


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_recipe_options_that_are_shown_are_known(path: Path) -> None:
    from crossmod.cli.recipes import parse_recipe
    from crossmod.registry import load_domain

    domain = load_domain("molecule")
    for block in _blocks(path, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            if "crossmod train molecule" not in line or "--resume" in line:
                continue
            words = line.split("crossmod train molecule", 1)[1].split("#")[0].split()
            if "mine.yaml" not in words:
                parse_recipe(domain, words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_examples_run(path: Path) -> None:
    for block in _blocks(path, "python"):
        if "runs/" in block:  # needs a trained run; the run tests load one
            compile(block, str(path), "exec")
        elif block.startswith(">>>"):
            example = doctest.DocTestParser().get_doctest(block, {}, path.name, str(path), 0)
            assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
        else:
            exec(compile(block, str(path), "exec"), {"__name__": "example"})
