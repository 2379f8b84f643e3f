"""What a user installs: every member as a wheel and an sdist, and a training from the wheels in a fresh environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
MEMBERS = {f"crossmod{name}" for name in ("", "_kernels", "_metrics", "_report", "_medical", "_molecule", "_speech")}


def _uv(*words: str | Path) -> str:
    done = subprocess.run([find_uv_bin(), *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--all-packages", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, "--quiet")
    return folder


def test_every_member_builds_a_wheel_and_an_sdist(built: Path) -> None:
    wheels, sdists = list(built.glob("*.whl")), list(built.glob("*.tar.gz"))
    assert {path.name.split("-")[0] for path in wheels} == MEMBERS
    assert {path.name.rsplit("-", 1)[0] for path in sdists} == MEMBERS


def test_wheels_carry_their_types_recipes_and_templates(built: Path) -> None:
    content = {path.name.split("-")[0]: zipfile.ZipFile(path).namelist() for path in built.glob("*.whl")}
    for member, names in content.items():
        assert f"{member}/py.typed" in names
    for plugin in ("crossmod_medical", "crossmod_molecule", "crossmod_speech"):
        assert f"{plugin}/recipes/default.yaml" in content[plugin]
    assert any(name.startswith("crossmod/scaffold/template") for name in content["crossmod"])
    assert "crossmod_report/page.css" in content["crossmod_report"]


def test_a_fresh_environment_lists_domains_and_trains_from_the_wheels(built: Path, tmp_path: Path) -> None:
    # The lock's own versions, so that what is tested here is what is tested everywhere else.
    constraints = tmp_path / "constraints.txt"
    exported = _uv("export", "--no-hashes", "--no-emit-workspace", "--no-dev", "--all-packages", "--quiet")
    constraints.write_text(exported)
    environment = tmp_path / "fresh"
    _uv("venv", "--python", sys.executable, environment, "--quiet")
    python = environment / "bin" / "python"
    _uv(
        *("pip", "install", "--quiet", "--python", python, "--find-links", built, "--constraint", constraints),
        "crossmod-molecule",
    )
    command = environment / "bin" / "crossmod"
    listed = subprocess.run([command, "domains"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert listed.returncode == 0 and "molecule" in listed.stdout, listed.stderr
    small = ["--data.limit=400", "--run.steps=10", "--run.batch_size=64", "--run.folder=runs/ten"]
    trained = subprocess.run(
        [command, "train", "molecule", *small], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "molecule → text" in trained.stdout and "chance" in trained.stdout
    assert (tmp_path / "runs" / "ten" / "model" / "model.safetensors").is_file()
