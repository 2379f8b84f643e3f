"""C-PGC's attack on sentences, on a trained model and shown to others."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.model import CrossModal
from crossmod.robustness.evaluation import evaluate, questions
from crossmod.robustness.settings import AttackSettings, GeneratedSettings, SetGuidedSettings, UniversalSettings
from crossmod.robustness.substitution import EncodeTexts
from crossmod.robustness.transfer import sides_of, transfer_success
from crossmod.robustness.word_side import WordSide
from crossmod.robustness.words import important_words
from crossmod.runs.model_folder import load_model
from crossmod.testing.tiny import domain
from crossmod.text.settings import NgramBag

GENERATED = GeneratedSettings(epochs=6, generator_widths=(16, 8), recalls=(5,), modality="text")
UNIVERSAL = UniversalSettings(epochs=6, recalls=(5,), modality="text")


@pytest.mark.parametrize("settings", [GENERATED, UNIVERSAL], ids=lambda settings: settings.attack)
def test_one_word_for_all_sentences_that_is_known_and_no_stop_word(
    context: EvaluationContext, settings: AttackSettings
):
    side = WordSide(context.model, context.prepared, "text", "point", settings)
    attacked = side.attacked(1.0)
    put = set()
    for before, after in zip(side.texts, attacked, strict=True):
        changed = [(a, b) for a, b in zip(before.split(), after.split(), strict=True) if a != b]
        assert len(changed) <= 1
        for old, new in changed:
            assert old not in settings.stop_words and new not in settings.stop_words
            put.add(new)
    assert put == {side.word}
    train = {word for text in context.prepared.corpus.columns["text"].items for word in text.split()}
    assert side.word in train and side.word.isalpha()


def test_a_word_moves_retrieval_and_the_row_of_clean_sentences_is_that_of_the_inputs(context: EvaluationContext):
    (table,) = evaluate(context, GENERATED)
    rows = {(row.cells["direction"], row.cells["input"]): row.cells for row in table.rows}
    assert {name for _, name in rows} == {"clean", "c-pgc", "random word", "word left out"}
    side = WordSide(context.model, context.prepared, "text", "point", GENERATED)
    for direction, found in side.asked.ranks(context.model).items():
        assert torch.equal(found, side.clean[direction])
        assert rows[direction, "c-pgc"]["recall@5"] < rows[direction, "clean"]["recall@5"]
    assert f"The word is {side.word!r}." in table.note and "words of a sentence" in table.note


def test_the_seed_decides_and_the_model_is_left_as_it_was(context: EvaluationContext):
    state = {name: value.clone() for name, value in context.model.state_dict().items()}
    drawn = torch.get_rng_state()
    words = [WordSide(context.model, context.prepared, "text", "point", GENERATED).word for _ in range(2)]
    assert words[0] == words[1] and torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, state[name]) for name, value in context.model.state_dict().items())
    assert not context.model.training and all(p.requires_grad for p in context.model.parameters())


def test_the_word_is_learned_on_no_more_sentences_than_asked_for(
    context: EvaluationContext, monkeypatch: pytest.MonkeyPatch
):
    looked: list[tuple[str, ...]] = []

    def important(encode: EncodeTexts, texts: Sequence[str], stop_words: Set[str]) -> list[int]:
        looked.append(tuple(texts))
        return important_words(encode, texts, stop_words)

    monkeypatch.setattr("crossmod.robustness.word_side.important_words", important)
    for seed in (0, 0, 1):
        settings = replace(UNIVERSAL, sentences=7, seed=seed)
        assert WordSide(context.model, context.prepared, "text", "point", settings).word
    assert [len(texts) for texts in looked] == [7, 7, 7]
    assert looked[0] == looked[1] != looked[2]


def _bag_of_ngrams(context: EvaluationContext) -> CrossModal:
    """The same points beside a tower of hashed n-grams, which has no vector for a word."""
    encoder = NgramBag()
    processor = encoder.fit_processor(list(context.prepared.corpus.columns["text"].items))
    torch.manual_seed(0)
    towers = {"point": context.model.tower("point"), "text": encoder.build(processor)}
    return CrossModal(towers, context.recipe.embedding).eval()


def test_sentences_made_on_either_model_are_shown_to_both_and_to_one_that_has_no_vectors(
    context: EvaluationContext, runs: list[Path]
):
    models = {"first": context.model, "second": load_model(runs[1], domain), "bag": _bag_of_ngrams(context)}
    sides = sides_of(models, context.prepared, modality="text", guide="point", settings=GENERATED)
    assert [side.makes_attacks for side in sides.values()] == [True, True, False]
    found = transfer_success(sides, 1.0)
    assert list(found) == ["text → point", "point → text"]
    for table in found.values():
        assert table.sources == ("first", "second", "random word") and table.targets == ("first", "second", "bag")
        assert bool((table.rate[:2, :2] > 0).all())
    attacked = sides["first"].attacked(1.0)
    assert torch.equal(
        sides["bag"].ranks(attacked)["text → point"],
        sides["bag"].asked.ranks_of(models["bag"].embed("text", attacked))["text → point"],
    )


def test_without_a_choice_sentences_are_attacked_beside_continuous_inputs_where_they_can_be(
    context: EvaluationContext,
):
    model, prepared = context.model, context.prepared
    assert questions(model, prepared, GeneratedSettings()) == [("point", "text"), ("text", "point")]
    assert questions(model, prepared, SetGuidedSettings()) == [("point", "text")]
    bag = _bag_of_ngrams(context)
    texts = bag.tower("text").processor(list(prepared.corpus.columns["text"].items))
    grams = replace(prepared, inputs={**prepared.inputs, "text": texts})
    assert questions(bag, grams, GeneratedSettings()) == [("point", "text")]
    with pytest.raises(UserError, match="text is a NgramBagTower, which takes no tokens as vectors; .* by --transfer"):
        questions(bag, grams, GENERATED)


def test_strings_of_one_word_are_no_sentences(context: EvaluationContext):
    prepared = context.prepared
    column = replace(prepared.corpus.columns["text"], items=["CCO"] * len(prepared.corpus.columns["text"].items))
    alone = replace(prepared, corpus=replace(prepared.corpus, columns={**prepared.corpus.columns, "text": column}))
    with pytest.raises(UserError, match="text is made of TextInputs, which hold no continuous values"):
        questions(context.model, alone, GENERATED)
