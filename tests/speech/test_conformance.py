"""The speech domain keeps the promises that every domain makes."""

from __future__ import annotations

import pytest

from crossmod.testing.conformance import (
    CorpusConformance,
    ProcessorConformance,
    RecipeConformance,
    RunConformance,
    TowerConformance,
)
from crossmod_speech.domain import domain as speech

SMALL = (
    *("--data.voices=8", "--data.utterances=12", "--data.workers=0", "--run.batch_size=16", "--run.log_every=5"),
    *("--run.finish=[zero-shot]", "--towers.speech.width=32", "--towers.speech.depth=1"),
    *("--towers.text.width=32", "--embedding.width=32"),
)


class Speech:
    """What the classes below have in common."""

    domain = speech
    small = SMALL
    hostile = {  # noqa: RUF012 - the conformance classes read it and change nothing
        "speech": ["", "absent.wav", "a\0b", 7, None, "x" * 5000],
        "text": ["", 7, None, "lone \udc80 surrogate"],
    }
    required = {  # noqa: RUF012 - as above
        "cwcl": ("--towers.speech.folder=absent", "--towers.text.folder=absent"),
        "speechclip-cascaded": ("--run.initialise=absent",),
    }

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        """The small run, its recordings in a folder of the session."""
        return [*cls.small, f"--data.folder={tmp_path_factory.getbasetemp() / 'conformance-speech'}"]


class TestRecipes(Speech, RecipeConformance):
    pass


class TestCorpus(Speech, CorpusConformance):
    pass


class TestProcessors(Speech, ProcessorConformance):
    pass


class TestTowers(Speech, TowerConformance):
    pass


class TestRuns(Speech, RunConformance):
    steps = 6
