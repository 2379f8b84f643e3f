"""Accuracies and the baselines beside them."""

from __future__ import annotations

import pytest
import torch

from crossmod_medical.corpora.texts import same_text
from crossmod_medical.vqa.answers import AnswerProcessor
from crossmod_medical.vqa.scoring import accuracies, commonest_answers, nearest_questions


def test_overall_is_the_mean_of_open_and_closed_weighted_by_their_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    right = torch.rand(101, generator=generator) < 0.6
    kind = (torch.rand(101, generator=generator) < 0.7).to(torch.int8)
    found = accuracies(right, kind, torch.arange(101), resamples=50)
    weighted = sum((found[part].value or 0.0) * found[part].questions for part in ("open", "closed")) / 101
    assert found["overall"].value == pytest.approx(weighted)
    for score in found.values():
        assert score.lower is not None and score.upper is not None and score.value is not None
        assert score.lower <= score.value <= score.upper


def test_a_kind_without_questions_has_no_accuracy() -> None:
    found = accuracies(torch.tensor([True, False]), torch.ones(2, dtype=torch.int8), torch.arange(2), resamples=5)
    assert found["open"] == (0, None, None, None)
    assert found["closed"].value == found["overall"].value == 0.5


def test_the_commonest_answer_is_that_of_the_kind() -> None:
    answer = torch.tensor([1, 1, 2, 3, 3, 3])
    kind = torch.tensor([1, 1, 1, 0, 0, 0], dtype=torch.int8)
    asked = torch.tensor([0, 1, -1], dtype=torch.int8)
    assert commonest_answers(answer, kind, asked).tolist() == [3, 1, 3]


def test_the_nearest_questions_vote() -> None:
    train = torch.eye(4)[[0, 0, 1, 2]]
    answer = torch.tensor([5, 5, 7, 9])
    asked = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    found = nearest_questions(train, answer, asked, 3)
    assert found[:2].tolist() == [5, 7]
    assert int(found[2]) in (5, 7, 9)


def test_only_questions_that_may_vote_do_and_all_do_where_none_may() -> None:
    train = torch.eye(4)[[0, 0, 1, 2]]
    answer = torch.tensor([5, 5, 7, 9])
    asked = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    may_vote = torch.tensor([[False, False, False, True], [False] * 4, [False, False, True, False]])
    assert nearest_questions(train, answer, asked, 3, may_vote).tolist() == [9, 5, 7]


def test_answers_are_compared_normalised_and_unknown_ones_are_class_zero() -> None:
    processor = AnswerProcessor.fit([" Yes. ", "no", "The  Left", "yes", ""])
    assert processor.answers == ("no", "the left", "yes")
    assert processor.number("YES") == 3 and processor.number("maybe") == 0
    processed = processor.process(["no", "maybe", 3])
    assert processed.arrays["answer"].tolist() == [1, 0] and len(processed.rejected) == 1
    assert sum(processed.counts.values()) == 1
    assert AnswerProcessor.load(processor.spec, processor.files()).answers == processor.answers
    assert same_text("T2.") == "t2"
