"""Sentences as phrases, and whole words: checks 1, 2 and 4 of the sheet velvet-med, for both towers of reports."""

from __future__ import annotations

import pytest
import torch

from crossmod.objectives.local import WordTower
from crossmod.objectives.pairs import PhraseTower
from crossmod_medical.encoders.report_settings import ReportLevels, ReportTransformer, SentenceText
from crossmod_medical.encoders.sentence_identity import sentence_identities
from crossmod_medical.encoders.sentence_tower import SentenceTower, sentence_means
from crossmod_medical.encoders.word_numbers import FUNCTION_WORDS, content_tokens

SMALL = {"vocabulary": 300, "length": 96, "width": 24, "depth": 1, "heads": 2, "dropout": 0.0}
KINDS = (ReportLevels, ReportTransformer)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def tower(request: pytest.FixtureRequest, reports: list[str]) -> SentenceTower:
    torch.manual_seed(0)
    settings: SentenceText = request.param(**SMALL)
    tower = settings.build(settings.fit_processor(reports)).eval()
    assert isinstance(tower, SentenceTower) and isinstance(tower, PhraseTower) and isinstance(tower, WordTower)
    return tower


def test_phrases_do_not_depend_on_what_else_is_in_the_batch(tower: SentenceTower, reports: list[str]) -> None:
    inputs = tower.processor(reports)
    whole = tower.phrases(inputs, tower(inputs))
    assert whole.mask.sum(1).tolist() == [3, 1, 2, 1] and whole.values.shape == (4, 3, 24)
    for row in range(4):
        one = inputs.take(torch.tensor([row]))
        alone = tower.phrases(one, tower(one))
        count = int(alone.mask.sum())
        torch.testing.assert_close(alone.values[0, :count], whole.values[row, :count], atol=1e-5, rtol=1e-4)
        assert torch.equal(alone.identity[0, :count], whole.identity[row, :count])
    nothing = inputs.take(torch.tensor([], dtype=torch.int64))
    assert len(tower.phrases(nothing, tower(nothing)).values) == 0


def test_the_plain_tower_means_the_words_of_each_sentence(reports: list[str]) -> None:
    settings = ReportTransformer(**SMALL)
    tower = settings.build(settings.fit_processor(reports)).eval()
    inputs = tower.processor(reports)
    features = tower(inputs)
    _, sentence, real = inputs.padded()
    phrases = tower.phrases(inputs, features)
    for row in range(4):
        for number in range(int(phrases.mask[row].sum())):
            expected = features.tokens[row, sentence[row] == number].mean(0)
            torch.testing.assert_close(phrases.values[row, number], expected)
        torch.testing.assert_close(features.pooled[row], features.tokens[row, real[row]].mean(0))
    assert torch.equal(sentence_means(features.tokens, sentence, 3)[1], phrases.mask)


def test_equal_sentences_have_equal_identities_wherever_they_stand(tower: SentenceTower) -> None:
    texts = ["No pleural effusion. The heart is enlarged.", "Emphysema. NO  pleural effusion.", "Pleural no effusion."]
    inputs = tower.processor(texts)
    found = tower.phrases(inputs, tower(inputs)).identity
    assert found[0, 0] == found[1, 1]
    assert len({*found[0].tolist(), int(found[1, 0]), int(found[2, 0])}) == 4
    assert int(found[2, 1]) == 0


def test_identities_are_of_tokens_and_their_order_without_collisions() -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 40, (3000, 6), generator=generator)
    found = sentence_identities(ids, torch.zeros_like(ids), 1)[:, 0]
    same = {tuple(row) for row in ids.tolist()}
    assert len(found.unique()) == len(same)
    # The place in the report, and what surrounds it, do not count.
    long = torch.cat([torch.randint(5, 40, (3000, 4), generator=generator), ids], 1)
    sentence = torch.tensor([-1, 0, 0, 0, 1, 1, 1, 1, 1, 1]).expand_as(long)
    assert torch.equal(sentence_identities(long, sentence, 2)[:, 1], found)
    shuffled = ids.flip(1)
    changed = (shuffled != ids).any(1)
    assert bool((sentence_identities(shuffled, torch.zeros_like(ids), 1)[:, 0] != found)[changed].all())


def test_whole_words_are_numbered_and_specials_are_none(tower: SentenceTower, reports: list[str]) -> None:
    tokens = tower.tokenise(tower.processor(reports[:1]))
    numbers = tower.word_groups(tokens)[0]
    real = tokens.mask[0]
    assert bool((numbers[~real] == -1).all())
    assert numbers[real].diff().min() >= 0 and int(numbers[real].max()) + 1 - int(numbers[real].min()) == len(
        reports[0].split()
    )


def test_function_words_and_punctuation_are_no_content(tower: SentenceTower, reports: list[str]) -> None:
    settings = ReportTransformer(vocabulary=2000, length=96)
    processor = settings.fit_processor([*reports, "There is no nodule of the lung. The nodule is seen."] * 5)
    content = content_tokens(processor.tokens)
    ids = processor(["There is no nodule of the lung."]).ids.long()
    # [CLS] there is no nodule of the lung . [SEP]
    assert content[ids].tolist() == [False, False, False, True, True, False, False, True, False, False]
    assert "no" not in FUNCTION_WORDS and "without" not in FUNCTION_WORDS
