"""Text at three levels by VELVET-Med's sheet's checks, and the sentences they are made of."""

from __future__ import annotations

import pytest
import torch

from crossmod.errors import UserError
from crossmod.objectives.local.settings import MaskedLanguage
from crossmod_medical.encoders.report_settings import ReportLevels
from crossmod_medical.encoders.sentence_processor import SentenceProcessor
from crossmod_medical.encoders.sentence_tower import sentence_means
from crossmod_medical.encoders.text_levels import LevelledTextTower

SETTINGS = ReportLevels(vocabulary=300, length=96, width=24, depth=1, heads=2, dropout=0.0)


@pytest.fixture
def tower(reports: list[str]) -> LevelledTextTower:
    torch.manual_seed(0)
    tower = SETTINGS.build(SETTINGS.fit_processor(reports)).eval()
    assert isinstance(tower, LevelledTextTower)
    return tower


def test_special_tokens_and_padding_do_not_enter_a_sentence() -> None:
    words = torch.randn(1, 4, 3)
    sentence = torch.tensor([[-1, 0, 0, 1]])
    means, held = sentence_means(words, sentence, 2)
    torch.testing.assert_close(means[0], torch.stack([words[0, 1:3].mean(0), words[0, 3]]))
    longer = torch.cat([words, torch.full((1, 3, 3), torch.nan)], 1)
    again, _ = sentence_means(longer, torch.cat([sentence, torch.full((1, 3), -1)], 1), 2)
    assert torch.equal(again, means) and held.tolist() == [[True, True]]


def test_an_empty_sentence_is_zero_and_masked() -> None:
    means, held = sentence_means(torch.randn(2, 2, 3), torch.tensor([[0, 2], [-1, -1]]), 3)
    assert held.tolist() == [[True, False, True], [False] * 3]
    assert bool(means.isfinite().all()) and not bool(means[~held].any())
    with pytest.raises(ValueError, match="sentences"):
        sentence_means(torch.randn(1, 2, 3), torch.tensor([[0, 5]]), 3)


def test_shapes_and_masks_agree_for_reports_of_different_length(tower: LevelledTextTower, reports: list[str]) -> None:
    inputs = tower.processor(reports)
    levels = tower.levels(inputs)
    assert levels.sentence_mask.sum(1).tolist() == [3, 1, 2, 1]
    assert levels.words.shape[:2] == levels.word_mask.shape == levels.sentence.shape
    assert levels.sentences.shape == (4, 3, 24) and levels.report.shape == (4, 24)
    assert bool(levels.report.isfinite().all())
    one = tower.levels(inputs.take(torch.tensor([1])))
    assert one.sentences.shape == (1, 1, 24)
    for row in range(4):
        alone = tower.levels(inputs.take(torch.tensor([row])))
        torch.testing.assert_close(alone.report[0], levels.report[row], atol=1e-5, rtol=1e-4)


def test_a_report_of_one_sentence_is_its_masked_mean(tower: LevelledTextTower, reports: list[str]) -> None:
    seen = []
    tower.sentences.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    levels = tower.levels(tower.processor(reports[1:2]))
    real = levels.sentence[0] == 0
    expected = levels.words[0, real].mean(0) + tower.sentence_positions[0]
    torch.testing.assert_close(seen[0][0, 0], expected)


def test_sentences_of_a_report_keep_their_numbers_when_it_is_cut(reports: list[str]) -> None:
    processor = SETTINGS.fit_processor(reports)
    short = SentenceProcessor(processor.tokens, 12)
    processed = short.process([reports[0]])
    assert processed.arrays["lengths"].tolist() == [12]
    assert processed.arrays["sentence"].tolist()[0] == -1 and processed.arrays["sentence"].tolist()[-1] == -1
    assert sum(processed.counts.values()) > 0
    whole = processor.process([reports[0]]).arrays["ids"]
    assert processed.arrays["ids"].tolist()[:11] == whole.tolist()[:11]


def test_bad_reports_are_rejected_and_a_checkpoint_is_restored(reports: list[str]) -> None:
    processor = SETTINGS.fit_processor(reports)
    processed = processor.process(["", 7, "...", "No effusion."])
    assert [place for place, _ in processed.rejected][:2] == [0, 1]
    assert 3 in processed.accepted.tolist()
    restored = SETTINGS.load_processor(processor.spec, processor.files())
    assert restored.spec == processor.spec
    with pytest.raises(UserError, match="sentence rules"):
        SETTINGS.load_processor({**processor.spec, "sentence_rules": 0}, processor.files())
    with pytest.raises(UserError, match="length"):
        ReportLevels(vocabulary=300, length=50).load_processor(processor.spec, processor.files())


def test_masked_language_takes_it(tower: LevelledTextTower) -> None:
    assert MaskedLanguage(modality="text").build({"text": tower}) is not None
