"""What objectives are tested on beside the tiny domain itself."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def tiny_installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tiny domain as pip leaves a plugin, so that a model folder finds it, and its tower of patches."""
    site = tmp_path_factory.mktemp("site")
    facts = site / "crossmod_tiny-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: crossmod-tiny\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text("[crossmod.domains]\ntiny = crossmod.testing.tiny:domain\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.syspath_prepend(str(Path(__file__).parent))
        importlib.import_module("tower_of_patches")
        yield
