"""One word for all sentences: in the vocabulary, allowed, as long as words are, and worse than a word by chance."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.robustness.scene import scene
from crossmod.robustness.sentences import important_places, sentence_batch
from crossmod.robustness.universal import UniversalOptions, tensor_batches
from crossmod.robustness.universal_word import (
    fit_generated_word,
    fit_universal_word,
    word_generator,
    word_objective,
)
from crossmod.robustness.victim import attackable
from crossmod.text.inputs import TextInputs
from crossmod_metrics import ranks

WORDS, WIDTH = 12, 6


def _toy(bad: int):
    """Sentences whose meaning is one coordinate; the word `bad` points away from all of them."""
    generator = torch.Generator().manual_seed(0)
    meaning = torch.nn.functional.normalize(torch.eye(WIDTH)[torch.arange(24) % 5] + 0.2, dim=1)
    vocabulary = torch.randn(WORDS, WIDTH, generator=generator) * 0.3
    vocabulary[bad] = -1.5 * meaning.mean(0)

    def encode(words):
        return torch.nn.functional.normalize(0.3 * torch.ones(WIDTH) + words, dim=1)

    group = torch.arange(24) % 5
    return vocabulary, tensor_batches(encode, meaning, meaning, torch.arange(24), group, batch_size=24)


@pytest.mark.parametrize("bad", [3, 9])
def test_it_finds_the_word_that_points_away_and_never_one_that_is_not_allowed(bad):
    vocabulary, batches = _toy(bad)
    options = UniversalOptions(rate=0.05, epochs=60)
    allowed = torch.ones(WORDS, dtype=torch.bool)
    assert fit_universal_word(batches, vocabulary, allowed, options=options).token == bad
    allowed[bad] = False
    found = fit_universal_word(batches, vocabulary, allowed, options=options)
    assert found.token != bad and 0 <= found.token < WORDS
    lengths = vocabulary[allowed].norm(dim=1)
    assert float(lengths.min()) - 1e-5 <= float(found.vector.norm()) <= float(lengths.max()) + 1e-5


@pytest.mark.parametrize("bad", [3, 9])
def test_the_generator_answers_the_word_that_points_away_from_embeddings_of_the_other_side(bad):
    vocabulary, batches = _toy(bad)
    options = UniversalOptions(rate=2e-3, epochs=60)

    def answer(allowed):
        torch.manual_seed(0)
        network = word_generator(vocabulary, WIDTH, stages=((16, 8),))
        return fit_generated_word(batches, network, vocabulary, allowed, options=options)

    allowed = torch.ones(WORDS, dtype=torch.bool)
    assert answer(allowed).token == bad
    allowed[bad] = False
    found = answer(allowed)
    assert found.token != bad and 0 <= found.token < WORDS
    lengths = vocabulary[allowed].norm(dim=1)
    assert float(lengths.min()) - 1e-5 <= float(found.vector.norm()) <= float(lengths.max()) + 1e-5
    assert torch.equal(answer(allowed).vector, found.vector)


def test_a_trained_generators_word_descends_the_loss_below_that_of_every_other_word():
    vocabulary, batches = _toy(5)
    options = UniversalOptions(rate=2e-3, epochs=60)
    torch.manual_seed(1)
    network = word_generator(vocabulary, WIDTH, stages=((16, 8),))
    found = fit_generated_word(batches, network, vocabulary, torch.ones(WORDS, dtype=torch.bool), options=options)
    (batch,) = batches(torch.Generator().manual_seed(0))
    losses = [float(word_objective(word, batch, batch, options)) for word in vocabulary]
    assert losses.index(min(losses)) == found.token
    assert float(word_objective(found.vector, batch, batch, options)) < sorted(losses)[1]


def test_the_given_clean_embeddings_choose_the_targets_and_measure_the_distance():
    vocabulary, batches = _toy(3)
    options = UniversalOptions(distance_weight=1.0)
    (batch,) = batches(torch.Generator().manual_seed(0))
    plain = word_objective(vocabulary[0], batch, batch, options)
    same = replace(batch, clean=batch.encode(batch.values))
    assert torch.equal(word_objective(vocabulary[0], same, batch, options), plain)
    moved = replace(batch, clean=batch.encode(vocabulary[:1].expand(24, -1)))
    still = word_objective(vocabulary[0], moved, batch, options)
    no_distance = word_objective(vocabulary[0], moved, batch, replace(options, distance_weight=0.0))
    assert torch.equal(still, no_distance) and not torch.equal(still, plain)


def test_the_seed_decides_and_nothing_is_done_in_no_epochs():
    vocabulary, batches = _toy(3)
    allowed = torch.arange(WORDS) > 4
    starts = {
        fit_universal_word(batches, vocabulary, allowed, options=UniversalOptions(epochs=0, seed=s)).token
        for s in range(20)
    }
    assert len(starts) > 3 and min(starts) > 4
    one, same = (
        fit_universal_word(batches, vocabulary, allowed, options=UniversalOptions(epochs=3, seed=5)) for _ in range(2)
    )
    assert torch.equal(one.vector, same.vector)


def _sentences(context: EvaluationContext):
    asked = scene(context.model, context.prepared, modality="point", guide="text", split="train")
    rows = torch.from_numpy(context.prepared.corpus.rows("train"))[::2]
    texts = context.prepared.inputs["text"].take(context.prepared.item["text"][rows])
    group = context.prepared.group[rows]
    points = context.model.embed("point", asked.inputs)
    return texts, group, points, asked.group


def test_on_a_trained_model_it_does_more_harm_than_the_other_words_do(context: EvaluationContext):
    model = context.model
    tower = model.tower("text")
    texts, group, points, point_group = _sentences(context)
    allowed = torch.zeros(tower.vocabulary, dtype=torch.bool)
    allowed[tower.tokenise(texts).targets[tower.tokenise(texts).mask]] = True
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with attackable(model):
        places = important_places(model, "text", texts, allowed)
        owner = torch.stack([(group == g).nonzero()[0, 0] for g in point_group])
        batch = sentence_batch(model, "text", texts, places, points, owner, group)
        vocabulary = tower.embedding.weight
        options = UniversalOptions(rate=0.02, epochs=60, temperature=0.1)
        found = fit_universal_word(lambda generator: iter([batch]), vocabulary, allowed, options=options)

        def mean_rank(words):
            with torch.no_grad():
                return float(ranks(batch.encode(words), points, group, point_group).mean())

        clean = mean_rank(batch.values)
        rows = allowed.nonzero()[:, 0]
        by_word = torch.tensor([mean_rank(vocabulary[word].expand(len(texts), -1)) for word in rows.tolist()])
    attacked = float(by_word[(rows == found.token).nonzero()[0, 0]])
    assert clean == pytest.approx(float(ranks(model.embed("text", texts), points, group, point_group).mean()))
    assert bool(allowed[found.token])
    assert attacked > clean + 5 and attacked > float(by_word.median())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_important_word_is_the_one_whose_hiding_moves_the_embedding_most(context: EvaluationContext):
    model = context.model
    processor, tower = model.tower("text").processor, model.tower("text")
    texts = processor(["a point at the far left, top", "seen at the right"])
    allowed = torch.ones(tower.vocabulary, dtype=torch.bool)
    with attackable(model):
        found = important_places(model, "text", texts, allowed)
        for row in range(2):
            alone = texts.take(torch.tensor([row]))
            tokens, whole = tower.tokenise(alone), model.embed("text", alone).double().softmax(1)
            told = {}
            for place in tokens.mask[0].nonzero()[:, 0].tolist():
                keep = torch.ones_like(tokens.mask)
                keep[0, place] = False
                other = model.project("text", tower.encode(tokens, keep).pooled).double().softmax(1)
                told[place] = float((whole * (whole.log() - other.log())).sum())
            assert int(found[row]) == max(told, key=told.__getitem__)
        best = int(tower.tokenise(texts).targets[0, found[0]])
        allowed[best] = False
        assert int(tower.tokenise(texts).targets[0, important_places(model, "text", texts, allowed)[0]]) != best


def test_refusals(context: EvaluationContext):
    vocabulary, batches = _toy(3)
    model = context.model
    allowed = torch.ones(WORDS, dtype=torch.bool)
    with pytest.raises(UserError, match="0 of 12 words are allowed"):
        fit_universal_word(batches, vocabulary, ~allowed)
    with pytest.raises(UserError, match="vectors of the vocabulary hold 1 NaN"):
        fit_universal_word(
            batches, vocabulary.index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(torch.nan)), allowed
        )
    with pytest.raises(UserError, match=r"answers tensors of shape \[7\], but words are vectors of 6 numbers"):
        fit_generated_word(batches, word_generator(torch.ones(2, 7), WIDTH, stages=((8, 4),)), vocabulary, allowed)
    text = context.prepared.inputs["text"].take(torch.tensor([0]))
    assert isinstance(text, TextInputs)
    one = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(UserError, match="the tower of point is a VectorTower"):
        sentence_batch(model, "point", context.prepared.inputs["point"], one, torch.zeros(1, 2), one, one)
    with pytest.raises(UserError, match="are not one a sentence"):
        sentence_batch(model, "text", text, one + 99, torch.zeros(1, 2), one, one)
    none = torch.zeros(model.tower("text").vocabulary, dtype=torch.bool)
    with pytest.raises(UserError, match="sentence 0 has no word that may be replaced"):
        important_places(model, "text", text, none)
