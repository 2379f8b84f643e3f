"""Every promise of the conformance tests is one that a domain can break: each is broken here, and caught."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.batch import Inputs
from crossmod.contracts.corpus import Corpus, Label
from crossmod.contracts.processor import Processed
from crossmod.contracts.tower import Features, Tokens
from crossmod.recipe import DataSettings
from crossmod.testing import tiny
from crossmod.testing.conformance import CorpusConformance, ProcessorConformance, TowerConformance
from crossmod.testing.conformance.recipes import unexplained_options
from crossmod.text.byte_pair import BytePairProcessor
from crossmod.text.transformer import TextTransformerTower
from crossmod.vectors.inputs import VectorInputs
from crossmod.vectors.processor import VectorProcessor
from crossmod.vectors.tower import VectorTower

POINTS: list[Any] = [(0.1 * n, 1.0 - 0.3 * n) for n in range(6)]
TEXTS = ["far left, top", "right", "left, bottom half", "top of the right side", "far right"]


class Corpora(CorpusConformance):
    domain = tiny.domain


class Points(ProcessorConformance):
    domain = tiny.domain


Points.hostile = {"point": [(float("nan"), 1.0), "a point"]}


class Towers(TowerConformance):
    domain = tiny.domain


@pytest.fixture
def corpus() -> Corpus:
    return tiny.TinyData(points=40).build()


def _broken_corpora(corpus: Corpus) -> dict[str, Corpus]:
    text = corpus.columns["text"]
    far, short = np.full(len(corpus), len(text.items)), text.item[:-1]
    leaking = corpus.split.copy()
    leaking[corpus.group == 0] = ["train", "test"]
    return {
        "test_has_every_modality": replace(corpus, columns={"text": text}),
        "test_lengths_agree": replace(corpus, columns={**corpus.columns, "text": replace(text, item=short)}),
        "test_rows_point_at_items": replace(corpus, columns={**corpus.columns, "text": replace(text, item=far)}),
        "test_groups_are_numbers_and_ids_texts": replace(corpus, group=corpus.group.astype(float)),
        "test_splits_are_known": replace(corpus, split=np.full(len(corpus), "valid")),
        "test_no_group_is_in_two_splits": replace(corpus, split=leaking),
        "test_there_is_something_to_learn_and_to_test": replace(corpus, split=np.full(len(corpus), "train")),
        "test_facts_are_json": replace(corpus, facts={"mean": np.float32(1)}),
        "test_labels_name_their_classes": replace(
            corpus, labels={"side": Label(np.full(len(corpus), 2.0), "point", ("left", "right"))}
        ),
    }


@pytest.mark.parametrize("name", list(_broken_corpora(tiny.TinyData(points=40).build())))
def test_broken_corpora_are_caught(name: str, corpus: Corpus) -> None:
    test = getattr(Corpora(), name)
    test(corpus)
    with pytest.raises((AssertionError, TypeError)):
        test(_broken_corpora(corpus)[name])


def test_a_corpus_that_changes_is_caught(corpus: Corpus) -> None:
    recipe = parse_recipe(tiny.domain, ["--data.points=40"])
    Corpora().test_reads_the_same_twice(corpus, recipe)
    other = parse_recipe(tiny.domain, ["--data.points=40", "--data.seed=1"])
    with pytest.raises(AssertionError, match="corpus.columns.point.items"):
        Corpora().test_reads_the_same_twice(corpus, other)


@pytest.fixture
def points() -> VectorProcessor:
    return VectorProcessor.fit(POINTS)


class Raising(VectorProcessor):
    """An exception instead of a reason."""

    def process(self, items: Sequence[Any]) -> Processed:
        return super().process([tuple(map(float, item)) for item in items])


class Accepting(VectorProcessor):
    """Hostile items read as zeros."""

    def process(self, items: Sequence[Any]) -> Processed:
        processed = super().process(items)
        return super().process(
            [item if place in processed.accepted else (0.0, 0.0) for place, item in enumerate(items)]
        )


class Wordless(VectorProcessor):
    """A code instead of a reason."""

    def process(self, items: Sequence[Any]) -> Processed:
        processed = super().process(items)
        return replace(processed, rejected=[(place, "E17") for place, _ in processed.rejected])


@pytest.mark.parametrize("kind", [Raising, Accepting, Wordless])
def test_processors_that_do_not_reject_in_words_are_caught(
    kind: type[VectorProcessor], points: VectorProcessor
) -> None:
    Points().test_hostile_items_are_rejected_in_words("point", points)
    with pytest.raises((AssertionError, TypeError, ValueError)):
        Points().test_hostile_items_are_rejected_in_words("point", kind(points.mean, points.deviation))


class Centred(VectorProcessor):
    """Items that depend on what they are processed with."""

    def process(self, items: Sequence[Any]) -> Processed:
        processed = super().process(items)
        values = processed.arrays["values"]
        return replace(processed, arrays={"values": values - (values.mean(0) if len(values) else 0)})


def test_items_that_depend_on_their_chunk_are_caught(points: VectorProcessor) -> None:
    Points().test_chunks_give_what_the_whole_gives("point", points, POINTS)
    with pytest.raises(AssertionError, match="inputs.values"):
        Points().test_chunks_give_what_the_whole_gives("point", Centred(points.mean, points.deviation), POINTS)


class Sorting(VectorInputs):
    """Samples in another order than asked for."""

    def take(self, index: torch.Tensor) -> Sorting:
        return Sorting(self.values[index.sort().values])


class SortingProcessor(VectorProcessor):
    def inputs(self, parts: Sequence[Processed]) -> VectorInputs:
        return Sorting(super().inputs(parts).values)


def test_samples_out_of_order_are_caught(points: VectorProcessor) -> None:
    Points().test_take_permutes_and_repeats(points, POINTS)
    with pytest.raises(AssertionError, match="inputs.values"):
        Points().test_take_permutes_and_repeats(SortingProcessor(points.mean, points.deviation), POINTS)


def test_a_processor_that_cannot_travel_is_caught(points: VectorProcessor) -> None:
    Points().test_pickled_reads_the_same(points, POINTS)
    points.reader = lambda item: item
    with pytest.raises((AttributeError, pickle.PicklingError)):
        Points().test_pickled_reads_the_same(points, POINTS)


def test_hostile_items_have_to_be_stated() -> None:
    with pytest.raises(AssertionError, match="state items that \\['text'\\] must reject"):
        Points().test_hostile_items_are_stated()


@pytest.fixture
def inputs(points: VectorProcessor) -> VectorInputs:
    return points.inputs([points.process(POINTS)])


class BatchCoupled(VectorTower):
    """A sample's features depend on its batch."""

    def forward(self, inputs: VectorInputs, /) -> Features:
        pooled = super().forward(inputs).pooled
        return Features(pooled - pooled.mean(0))


class Positional(VectorTower):
    """A sample's features depend on its place in the batch."""

    def forward(self, inputs: VectorInputs, /) -> Features:
        pooled = super().forward(inputs).pooled
        return Features(pooled + torch.arange(len(inputs))[:, None])


class Idle(VectorTower):
    """A layer that nothing goes through, and outputs that ignore the input."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self.unused = nn.Linear(2, 2)

    def forward(self, inputs: VectorInputs, /) -> Features:
        return Features(super().forward(VectorInputs(torch.ones_like(inputs.values))).pooled)


def _vector_tower(kind: type[VectorTower], points: VectorProcessor) -> VectorTower:
    torch.manual_seed(0)
    return kind(points, width=8, depth=2, dropout=0.0).eval()


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (BatchCoupled, "test_a_sample_alone_is_the_sample_in_a_batch"),
        (Positional, "test_permuting_the_batch_permutes_the_output"),
        (Idle, "test_samples_differ"),
    ],
)
def test_towers_that_mix_samples_are_caught(
    kind: type[VectorTower], test: str, points: VectorProcessor, inputs: Inputs
) -> None:
    getattr(Towers(), test)(_vector_tower(VectorTower, points), inputs)
    with pytest.raises(AssertionError):
        getattr(Towers(), test)(_vector_tower(kind, points), inputs)


def test_an_unused_parameter_is_caught_unless_allowed(
    points: VectorProcessor, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match="do not depend") as caught:
        Towers().test_every_trainable_parameter_learns("point", _vector_tower(Idle, points), inputs)
    assert "unused.weight" in str(caught.value) and "layers.0.weight" not in str(caught.value)
    monkeypatch.setattr(Towers, "without_gradient", ["point.unused.*"])
    Towers().test_every_trainable_parameter_learns("point", _vector_tower(Idle, points), inputs)


class Copying(TextTransformerTower):
    """Hidden tokens are only dimmed, and their identity comes through."""

    def encode(self, tokens: Tokens, keep: torch.Tensor, /) -> Features:
        dimmed = tokens.values * (0.1 + 0.9 * keep[..., None])
        return self._encode(dimmed, tokens.context)


class Answering(TextTransformerTower):
    """The targets are given away."""

    def encode(self, tokens: Tokens, keep: torch.Tensor, /) -> Features:
        features = super().encode(tokens, keep)
        return features._replace(pooled=features.pooled + tokens.targets.sum(1, keepdim=True))


class Unhiding(TextTransformerTower):
    """Nothing is hidden at all."""

    def encode(self, tokens: Tokens, keep: torch.Tensor, /) -> Features:
        return self._encode(self.embedding(tokens.targets) * 0 + 1, tokens.context)


@pytest.mark.parametrize("kind", [Copying, Answering, Unhiding])
def test_hidden_tokens_that_leak_are_caught(kind: type[TextTransformerTower]) -> None:
    processor = BytePairProcessor.fit(TEXTS, vocabulary=300, length=24)
    inputs = processor(TEXTS)
    for tower_kind in (TextTransformerTower, kind):
        torch.manual_seed(0)
        tower = tower_kind(processor, width=16, depth=1, heads=2).eval()
        if tower_kind is TextTransformerTower:
            Towers().test_hidden_tokens_do_not_leak(tower, inputs)
            Towers().test_all_tokens_kept_is_the_plain_forward(tower, inputs)
        else:
            with pytest.raises(AssertionError):
                Towers().test_hidden_tokens_do_not_leak(tower, inputs)


def test_an_option_without_a_word_is_caught() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Terse(DataSettings):
        """Rows.

        Args:
            path: The file.
        """

        path: str = ""
        depth: int = 1

    package = Terse.__module__.partition(".")[0]
    assert [name.rpartition(".")[2] for name in unexplained_options(Terse, package)] == ["depth"]
    assert unexplained_options(tiny.TinyRecipe, "crossmod") == []
