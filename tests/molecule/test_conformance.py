"""The molecule domain keeps the promises that every domain makes."""

from __future__ import annotations

from crossmod.testing.conformance import (
    CorpusConformance,
    ProcessorConformance,
    RecipeConformance,
    RunConformance,
    TowerConformance,
)
from crossmod_molecule.domain import domain as molecule

SMALL = (
    *("--data.limit=120", "--data.texts=2", "--data.workers=0", "--run.batch_size=32", "--run.log_every=5"),
    *("--towers.molecule.graph.width=32", "--towers.molecule.graph.depth=2", "--towers.molecule.fingerprint.width=32"),
    *("--towers.text.width=32", "--towers.text.depth=1", "--towers.text.vocabulary=600", "--embedding.width=32"),
)


class Molecules:
    """What the classes below have in common."""

    domain = molecule
    small = SMALL
    hostile = {  # noqa: RUF012 - the conformance classes read it and change nothing
        "molecule": ["", "not a molecule", "C" * 20_000, "C1CC", 7, None, "C\udc80"],
        "text": ["", 7, None, "lone \udc80 surrogate"],
    }
    required = {"chebi20": ("--data.root=absent",), "chebi20-graph": ("--data.root=absent",)}  # noqa: RUF012 - read only


class TestRecipes(Molecules, RecipeConformance):
    pass


class TestCorpus(Molecules, CorpusConformance):
    pass


class TestProcessors(Molecules, ProcessorConformance):
    pass


class TestTowers(Molecules, TowerConformance):
    # Batch norm, as published, makes a molecule depend on its batch in training but not in evaluation.
    tolerance = 1e-4


class TestRuns(Molecules, RunConformance):
    pass
