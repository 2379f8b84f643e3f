"""Who may import whom, and what the command line may not import at all."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "lightning",
    "transformers",
    "rdkit",
    "pandas",
    "torch_geometric",
    "pyarrow",
    "monai",
    "nibabel",
    "pydicom",
)


def test_the_import_rules_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "crossmod.settings",
        "crossmod.recipe",
        "crossmod.domain",
        "crossmod.registry",
        "crossmod.cli.main",
        "crossmod.workers",
        "crossmod.contracts.corpus",
        "crossmod.contracts.processor",
        "crossmod.text.settings",
        "crossmod.vectors.settings",
        "crossmod.objectives.settings",
        "crossmod.evaluation.settings",
        "crossmod_medical.domain",
        "crossmod_medical.data",
        "crossmod_medical.processors",
        "crossmod_medical.image_processor",
        "crossmod_molecule.domain",
        "crossmod_molecule.data",
        "crossmod_molecule.encoders.settings",
        "crossmod_molecule.processors",
        "crossmod_report",
    ],
)
def test_what_a_command_line_reads_imports_nothing_heavy(module: str) -> None:
    look = f"import json, sys, {module}; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_every_file_says_why_it_exists_and_is_named_for_one_idea() -> None:
    sources = [p for p in ROOT.glob("*/**/src/**/*.py") if ".venv" not in p.parts and "scaffold" not in p.parts]
    assert len(sources) > 150
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring that says why the file exists"
        assert path.stem not in ("utils", "helpers", "common", "misc"), path


def test_nothing_is_unpickled() -> None:
    for path in ROOT.glob("*/**/src/**/*.py"):
        if ".venv" in path.parts or "testing" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        assert "torch.load(" not in text and "import pickle" not in text and "pickle.load" not in text, path
        assert "UnsafeLoader" not in text and "FullLoader" not in text and "allow_pickle=True" not in text, path
