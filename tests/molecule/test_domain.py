"""The domain: importable without heavy libraries, its recipes readable."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

from crossmod_molecule.domain import MoleculeRecipe, domain


def test_importing_the_domain_imports_no_heavy_library() -> None:
    code = (
        "import sys, crossmod_molecule.domain; heavy = {'torch', 'rdkit', 'pandas', 'pyarrow', 'torch_geometric'}; "
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_domain_names_exists() -> None:
    assert domain.recipe is MoleculeRecipe
    assert domain.recipe_names()[0] == "default"
    targets = [evaluation.target for evaluation in domain.evaluations.values()] + list(domain.drawings.values())
    for target in targets:
        module, _, name = target.partition(":")
        assert callable(getattr(import_module(module), name))


def test_a_drawing_is_svg_and_a_text_that_is_no_structure_has_none() -> None:
    from crossmod_molecule.drawing import draw_molecule

    drawn = draw_molecule("c1ccccc1O")
    assert drawn is not None
    assert "<svg" in drawn
    assert draw_molecule("bad") is None
