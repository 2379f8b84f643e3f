"""The pre-training of the language model: which document a row draws, its loss, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.training.assemble import Parts, assemble
from crossmod.training.forwards import BatchForwards
from crossmod_speech.codec.settings import DistilCodec
from crossmod_speech.domain import domain
from crossmod_speech.unitts.documents import TASKS, document
from crossmod_speech.unitts.settings import SpokenLanguage, SpokenLanguageModel
from crossmod_speech.unitts.training import SpokenLanguageObjective, speech_codes

Made = Callable[..., tuple[Parts, Batch]]
ONE_TASK = [tuple(float(place == task) for place in range(4)) for task in range(4)]


@pytest.fixture(scope="module")
def words(codec_words: list[str]) -> list[str]:
    """A small run of the recipe."""
    small = ["--towers.text.codes=32", "--towers.text.vocabulary=280", "--towers.text.length=16", "--embedding.width=8"]
    small += ["--towers.text.longest=80", "--towers.text.width=32", "--towers.text.depth=1", "--towers.text.heads=2"]
    return ["--config=unitts", *codec_words, *small]


@pytest.fixture(scope="module")
def made(words: list[str]) -> Made:
    """Makes the parts of a run, whose codec has seen the batch, and a batch of training rows."""

    def parts_and_batch(*options: str) -> tuple[Parts, Batch]:
        parts = assemble(parse_recipe(domain, [*words, *options]))
        rows = torch.from_numpy(parts.prepared.corpus.rows("train"))[:6]
        batch, codec = parts.prepared.batch(rows), parts.model.towers.speech
        with torch.no_grad():
            codec.bottleneck.update(*codec.latents(batch.inputs["speech"].padded(), batch.inputs["speech"].lengths))
        return parts, batch

    return parts_and_batch


def test_the_loss_is_that_of_the_documents_one_by_one(made: Made) -> None:
    parts, batch = made("--towers.text.dropout=0")
    codec, language = parts.model.towers.speech, parts.model.towers.text
    codes = speech_codes(codec, batch.inputs["speech"])
    texts, _ = batch.inputs["text"].padded()
    lengths = batch.inputs["text"].lengths().tolist()
    for number, task in enumerate(TASKS):
        objective = SpokenLanguageObjective("speech", "text", ONE_TASK[number])
        outcome = objective(BatchForwards(parts.model, batch), batch)
        total, count = 0.0, 0
        for row in range(len(batch)):
            ids = document(task, texts[row, : lengths[row]], codes[row], language.tokens, language.longest).ids
            logits = language.logits(language.states(ids[None, :-1], torch.ones(1, len(ids) - 1, dtype=torch.bool)))[0]
            total += float(functional.cross_entropy(logits, ids[1:], reduction="sum").detach())
            count += len(ids) - 1
        assert float(outcome.loss.detach()) == pytest.approx(total / count, rel=1e-4)
        assert set(outcome.terms) == {"loss", task.replace(" ", "_")}


def test_only_the_language_model_gets_a_gradient(made: Made) -> None:
    parts, batch = made()
    parts.mixture(BatchForwards(parts.model, batch), batch, 0).loss.backward()
    assert all(p.grad is None for p in parts.model.towers.speech.parameters())
    assert all(p.grad is not None for p in parts.model.towers.text.parameters())


def test_rows_draw_tasks_by_their_shares_and_by_what_they_have() -> None:
    objective = SpokenLanguageObjective("speech", "text", (0.1, 0.2, 0.3, 0.4))
    count = 4000
    speech, text = torch.ones(count, dtype=torch.bool), torch.ones(count, dtype=torch.bool)
    speech[:1000], text[1000:2000], speech[2000:2010], text[2000:2010] = False, False, False, False
    batch = Batch({}, {"speech": speech, "text": text}, torch.arange(count), torch.arange(count))
    torch.manual_seed(0)
    drawn = objective._draw(batch)
    assert set(drawn[:1000]) == {TASKS.index("text")} and set(drawn[1000:2000]) == {TASKS.index("audio")}
    assert set(drawn[2000:2010]) == {None}
    for number, share in enumerate((0.1, 0.2, 0.3, 0.4)):
        assert drawn[2010:].count(number) / 1990 == pytest.approx(share, abs=0.04)


def test_rows_without_a_side_are_learned_from_too(made: Made) -> None:
    parts, batch = made()
    keep = torch.tensor([True, False, True, False, True, False])
    place = keep.nonzero()[:, 0]
    halves = Batch(
        {"speech": batch.inputs["speech"].take(place), "text": batch.inputs["text"].take((~keep).nonzero()[:, 0])},
        {"speech": keep, "text": ~keep},
        batch.group,
        batch.sample,
    )
    outcome = parts.mixture(BatchForwards(parts.model, halves), halves, 0)
    assert {"language/audio", "language/text"} <= set(outcome.terms) and "language/text_to_speech" not in outcome.terms
    nothing = batch.split(6)[0]
    empty = Batch(
        {k: v.take(place[:0]) for k, v in nothing.inputs.items()},
        {k: v[:0] for k, v in nothing.present.items()},
        batch.group[:0],
        batch.sample[:0],
    )
    assert float(parts.mixture(BatchForwards(parts.model, empty), empty, 0).loss.detach()) == 0


def test_an_untrained_codec_or_one_of_several_codes_is_refused(words: list[str], made: Made) -> None:
    parts = assemble(parse_recipe(domain, words))
    batch = parts.prepared.batch(torch.from_numpy(parts.prepared.corpus.rows("train"))[:4])
    with pytest.raises(UserError, match="has learned no codes; train one with"):
        parts.mixture(BatchForwards(parts.model, batch), batch, 0)
    several, batch = made("--towers.speech.stages=2")
    with pytest.raises(UserError, match="has 2 codes a step"):
        several.mixture(BatchForwards(several.model, batch), batch, 0)
    with pytest.raises(UserError, match=r"32 codes and the language model 64; set towers.text.codes 32"):
        assemble(parse_recipe(domain, [*words, "--towers.text.codes=64"]))
    towers = {"speech": parts.model.towers.speech, "text": parts.model.towers.speech}
    with pytest.raises(UserError, match="needs a language model as the tower of 'text', not DistilCodecTower"):
        SpokenLanguage().build(towers)


def test_the_codebook_starts_the_embeddings(made: Made) -> None:
    parts, _ = made("--towers.speech.code_width=32", "--objectives.language.codebook_start=true", "--seed=3")
    language = parts.model.towers.text
    plain, _ = made("--towers.speech.code_width=32", "--seed=3")
    other = plain.model.towers.text
    first = language.tokens.first_code
    assert torch.equal(language.embedding.weight[:first], other.embedding.weight[:first])
    assert not torch.equal(language.embedding.weight[first:], other.embedding.weight[first:])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SpokenLanguageModel(width=30), "heads divide the width"),
        (lambda: SpokenLanguageModel(length=320), "longest is 320 and length 320"),
        (lambda: SpokenLanguage(audio=0, written=0, text_to_speech=0, speech_to_text=0), "shares of tasks"),
        (lambda: replace(SpokenLanguage(), audio=-0.1), "shares of tasks"),
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        make()


def test_the_recipe_s_codec_is_that_of_its_own_recipe() -> None:
    codec, language = (
        parse_recipe(domain, [f"--config={name}"]).towers.modalities for name in ("distilcodec", "unitts")
    )
    assert isinstance(codec["speech"], DistilCodec) and codec["speech"] == language["speech"]
    assert language["text"].codes == codec["speech"].codes
