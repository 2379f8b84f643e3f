"""What is tested: a domain, a small run of it, and the fixtures that all conformance classes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar

import pytest

from crossmod.cli.options import field_hints
from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.corpus import Corpus
from crossmod.contracts.processor import Processor
from crossmod.domain import Domain
from crossmod.recipe import Recipe
from crossmod.training.assemble import fit_processors


def modality_names(domain: Domain) -> list[str]:
    """The modalities that a domain's recipe has towers for, without reading any recipe."""
    return [entry.name for entry in fields(field_hints(domain.recipe)["towers"])]


class Conformance:
    """What a subclass states, and what its tests are given.

    Attributes:
        domain: The domain.
        small: Recipe options of a run of seconds; its corpus has at least four usable items of every modality.
        samples: How many items of a modality processors and towers are tried on.
    """

    domain: ClassVar[Domain]
    small: ClassVar[Sequence[str]] = ()
    samples: ClassVar[int] = 8

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run what asks for a `modality` or a `packaged` recipe once for each."""
        if "modality" in metafunc.fixturenames:
            metafunc.parametrize("modality", modality_names(self.domain))
        if "packaged" in metafunc.fixturenames:
            metafunc.parametrize("packaged", self.domain.recipe_names())

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        """The options of the small run; a domain whose corpus has to be written first overrides this."""
        return list(cls.small)

    @pytest.fixture(scope="class")
    @classmethod
    def recipe(cls, options: list[str]) -> Recipe:
        """The small run."""
        return parse_recipe(cls.domain, options)

    @pytest.fixture(scope="class")
    @classmethod
    def corpus(cls, recipe: Recipe) -> Corpus:
        """Its corpus."""
        return recipe.data.build()

    @pytest.fixture(scope="class")
    @classmethod
    def processors(cls, recipe: Recipe, corpus: Corpus) -> dict[str, Processor]:
        """Its processors, fitted on the training items."""
        return fit_processors(recipe, corpus)

    @pytest.fixture(scope="class")
    @classmethod
    def usable(cls, corpus: Corpus, processors: Mapping[str, Processor]) -> dict[str, list[Any]]:
        """By modality, a few training items that its processor accepts."""
        chosen = {}
        for modality, processor in processors.items():
            items = corpus.training_items(modality)[: 2 * cls.samples]
            accepted = processor.process(items).accepted.tolist()
            chosen[modality] = [items[place] for place in accepted[: cls.samples]]
            assert len(chosen[modality]) >= 4, f"the small run has {len(chosen[modality])} usable {modality} items"
        return chosen
