"""Pairs: items, inputs that share images, and a processor that keeps reasons."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossmod.errors import UserError
from crossmod.text.settings import TextTransformer
from crossmod_medical.encoders.settings import ImageTransformer
from crossmod_medical.grid import ImageGrid
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.pairs.item import ImageText, fault
from crossmod_medical.pairs.processor import PairProcessor
from crossmod_medical.vqa.words import WordProcessor, split_words

GRID = ImageGrid(size=(16, 16), channels=1)


@pytest.fixture(scope="module")
def words() -> WordProcessor:
    return WordProcessor.fit(["is it left", "where is it", "any finding"], length=4)


@pytest.fixture(scope="module")
def items(questions: Path) -> list[ImageText]:
    paths = [str(questions / "images" / f"picture{number}.png") for number in range(3)]
    return [
        ImageText(paths[0], "is it left", "closed"),
        ImageText(paths[1], "where is it", "open"),
        ImageText(paths[0], "any finding"),
        ImageText(paths[2], "is it left or right here", "closed"),
    ]


def test_an_image_with_many_questions_is_held_once(words: WordProcessor, items: list[ImageText]) -> None:
    processor = PairProcessor(GRID.build(), words, partial=False)
    inputs = processor.inputs([processor.process(items)])
    assert len(inputs) == 4 and len(inputs.images) == 3
    assert inputs.picture[0] == inputs.picture[2] != inputs.picture[1]
    assert inputs.kind.tolist() == [1, 0, -1, 1]
    # Also where two workers read it.
    apart = processor.inputs([processor.process(items[:2]), processor.process(items[2:])])
    assert len(apart.images) == 3
    for row in range(4):
        one, other = (held.take(torch.tensor([row])) for held in (inputs, apart))
        assert torch.equal(one.images.pixels, other.images.pixels)
        assert torch.equal(one.texts.padded()[0], other.texts.padded()[0])


def test_taking_keeps_only_what_is_used(words: WordProcessor, items: list[ImageText]) -> None:
    processor = PairProcessor(GRID.build(), words, partial=False)
    inputs: PairInputs = processor(items)
    taken = inputs.take(torch.tensor([2, 0, 2]))
    assert len(taken) == 3 and len(taken.images) == 1 and len(taken.texts) == 3
    assert taken.picture.tolist() == [0, 0, 0]
    assert torch.equal(taken.images.pixels[0], inputs.images.pixels[inputs.picture[0]])
    assert len(inputs.take(torch.empty(0, dtype=torch.int64))) == 0


def test_hostile_items_are_rejected_with_reasons(words: WordProcessor, items: list[ImageText]) -> None:
    bad = [
        7,
        None,
        "a path",
        ImageText(None, None),
        ImageText("absent.png", "is it left"),
        ImageText(items[0].image, "???"),
        ImageText(items[0].image, "is it", "other"),
        ImageText(["a"], "is it"),
        ImageText(None, "is it left"),
    ]
    processor = PairProcessor(GRID.build(), words, partial=False)
    processed = processor.process([*bad, items[0]])
    assert processed.accepted.tolist() == [len(bad)]
    reasons = dict(processed.rejected)
    assert sorted(reasons) == list(range(len(bad))) and all(reasons.values())
    assert "no image" in reasons[8] and "no such file" in reasons[4]
    partial = PairProcessor(GRID.build(), words, partial=True)
    assert partial.process([bad[8], bad[3]]).accepted.tolist() == [0]


def test_nothing_gives_empty_inputs(words: WordProcessor) -> None:
    processor = PairProcessor(GRID.build(), words, partial=True)
    assert len(processor.inputs([processor.process([])])) == 0


def test_a_pair_without_one_side_stays_so(words: WordProcessor, items: list[ImageText]) -> None:
    processor = PairProcessor(GRID.build(), words, partial=True)
    inputs: PairInputs = processor(items)
    assert not inputs.without_images().complete.any() and len(inputs.without_images().images) == 0
    assert (inputs.without_texts().text == -1).all() and torch.equal(inputs.without_texts().picture, inputs.picture)
    assert fault(ImageText(None, "x")) == ""


def test_words_are_cut_counted_and_restored(words: WordProcessor) -> None:
    processed = words.process(["is it left or right here", "unheard", "!"])
    assert processed.arrays["lengths"].tolist() == [4, 1]
    assert processed.arrays["ids"].tolist()[-1] == 1
    assert processed.counts["texts longer than 4 tokens"] == 1
    assert [place for place, _ in processed.rejected] == [2]
    assert WordProcessor.load(words.spec, words.files()).spec == words.spec
    assert split_words("X-ray, T2") == ["x", "ray", "t2"]
    with pytest.raises(UserError, match="changed|not the file"):
        WordProcessor.load(words.spec, {"words.json": b"{}"})


def test_a_checkpoint_of_another_image_size_is_refused(words: WordProcessor) -> None:
    spec = PairProcessor(GRID.build(), words, partial=False).spec
    with pytest.raises(UserError, match="image"):
        PairProcessor(ImageTransformer().grid.build(), words, partial=False).require(spec)


def test_a_caption_is_cut_at_tokens_and_not_at_characters() -> None:
    # PubMedCLIP's release cuts the text at 77 characters before it is tokenised.
    caption = " ".join(f"finding{number % 7} seen" for number in range(50))
    tower = TextTransformer(length=77, vocabulary=400)
    read = tower.fit_processor([caption]).process([caption])
    assert len(caption.split()) == 100 and 70 <= int(read.arrays["lengths"][0]) <= 77
