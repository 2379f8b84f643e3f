"""Tests that every domain passes: a plugin's tests subclass these classes and inherit them (takes pytest 9 or later).

A subclass states the domain and options that make a run of seconds, and what its readers have to reject:

    class Spectra:
        domain = domain
        small = ["--run.batch_size=16", "--data.path=tests/ten.csv"]
        hostile = {"spectrum": ["", "no numbers"], "text": ["", 7]}

    class TestCorpus(Spectra, CorpusConformance): ...
    class TestProcessors(Spectra, ProcessorConformance): ...

Corpora that have to be written first override the fixture `options`; see `subject.Conformance`.
"""

from __future__ import annotations

import pytest

# pytest explains a failed assertion only in modules that it was told of before they are imported.
pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("recipes", "corpus", "processors", "towers", "runs"))
)

from crossmod.testing.conformance.corpus import CorpusConformance  # noqa: E402
from crossmod.testing.conformance.processors import ProcessorConformance  # noqa: E402
from crossmod.testing.conformance.recipes import RecipeConformance  # noqa: E402
from crossmod.testing.conformance.runs import RunConformance  # noqa: E402
from crossmod.testing.conformance.towers import TowerConformance  # noqa: E402

__all__ = ["CorpusConformance", "ProcessorConformance", "RecipeConformance", "RunConformance", "TowerConformance"]
