"""VQA-RAD: its layout, its splits, and lines that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossmod.errors import UserError
from crossmod_medical.pairs.item import ImageText
from crossmod_medical.vqa.data import VqaRad


def test_splits_kinds_and_templates(questions: Path) -> None:
    corpus = VqaRad(root=str(questions), phrases="customary", held_back=0.25, held_back_by="image").build()
    every = VqaRad(root=str(questions), phrases="all", held_back=0.25, held_back_by="image").build()
    assert len(every) - len(corpus) == 4  # the template rewordings
    assert len(corpus.rows("test")) == 13
    held = {image(corpus, row) for row in corpus.rows("validation")}
    trained = {image(corpus, row) for row in corpus.rows("train")}
    assert len(held) == 4 and not held & trained
    first: ImageText = corpus.columns["image"].items[0]
    assert first.text == "Where is the bright square?" and first.kind == "open"
    assert corpus.labels["question kind"].values[:3].tolist() == [0.0, 1.0, 1.0]


def test_all_phrasings_of_what_is_asked_are_held_back_together(questions: Path) -> None:
    corpus = VqaRad(root=str(questions), phrases="all", held_back=0.3, held_back_by="question").build()
    answers = corpus.columns["text"]
    by_split = {
        split: {(image(corpus, row), answers.items[answers.item[row]]) for row in corpus.rows(split)}
        for split in ("train", "validation")
    }
    assert by_split["validation"] and not by_split["train"] & by_split["validation"]
    # Images are shared, as the test shares them.
    assert {asked[0] for asked in by_split["validation"]} & {asked[0] for asked in by_split["train"]}


def test_single_questions_are_held_back_and_template_rewordings_never(questions: Path) -> None:
    corpus = VqaRad(root=str(questions), phrases="all", held_back=0.5).build()
    validation = corpus.rows("validation")
    lines = [json.loads(line) for line in (questions / "train.jsonl").read_text().splitlines()]
    phrase = {str(line["qid"]): line["phrase_type"] for line in lines}
    eligible = [name for name, kind in phrase.items() if kind != "frame"]
    assert len(validation) == round(0.5 * len(eligible))
    assert {phrase[corpus.ids[row]] for row in validation} == {"freeform"}
    assert not {corpus.ids[row] for row in validation} & {corpus.ids[row] for row in corpus.rows("train")}


def test_rows_with_one_answer_are_one_group(questions: Path) -> None:
    corpus = VqaRad(root=str(questions)).build()
    answers = np.array([corpus.columns["text"].items[at] for at in corpus.columns["text"].item])
    assert set(answers) == {"on the left", "on the right", "yes", "no", "never seen before"}
    for answer in set(answers):
        assert len(set(corpus.group[answers == answer])) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "JSON"),
        ("[1]", "JSON"),
        ('{"qid": 1}', "has no image, question"),
        ({"answer_type": "MAYBE"}, "neither OPEN nor CLOSED"),
        ({"answer": " . "}, "empty"),
        ({"image": "../../secret.png"}, "leads out"),
    ],
)
def test_a_bad_line_is_set_aside_with_its_number(questions: Path, tmp_path: Path, line: object, reason: str) -> None:
    good = (questions / "train.jsonl").read_text().splitlines()
    bad = json.dumps(json.loads(good[0]) | line) if isinstance(line, dict) else str(line)
    (tmp_path / "train.jsonl").write_text("\n".join([*good[:2], bad, "", *good[2:]]))
    (tmp_path / "test.jsonl").write_text((questions / "test.jsonl").read_text())
    corpus = VqaRad(root=str(tmp_path)).build()
    assert [(entry.line, reason in entry.reason) for entry in corpus.rejected] == [(3, True)]
    assert len(corpus) == len(VqaRad(root=str(questions)).build())


def test_a_missing_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train.jsonl"):
        VqaRad(root=str(tmp_path / "absent")).build()
    with pytest.raises(UserError, match="held_back"):
        VqaRad(root="x", held_back=1.0)


def test_the_real_corpus_has_the_published_counts(real_questions: Path) -> None:
    corpus = VqaRad(root=str(real_questions), held_back=0.0).build()
    test = corpus.rows("test")
    assert len(corpus.rows("train")) == 1797 and len(test) == 451
    closed = corpus.labels["question kind"].values[test].sum()
    assert closed == 272 and not corpus.rejected
    assert len(VqaRad(root=str(real_questions), phrases="all", held_back=0.0).build().rows("train")) == 3064


def test_held_back_rows_repeat_training_as_the_test_does(real_questions: Path) -> None:
    corpus = VqaRad(root=str(real_questions), phrases="all").build()
    answer, opened = corpus.columns["text"].item, corpus.labels["question kind"].values == 0
    train = corpus.rows("train")
    asked = {(image(corpus, row), answer[row]) for row in train}
    shares = {}
    for split in ("validation", "test"):
        rows = [row for row in corpus.rows(split) if opened[row]]
        shares[split] = (
            np.mean([(image(corpus, row), answer[row]) in asked for row in rows]),
            np.isin(answer[rows], answer[train]).mean(),
        )
    np.testing.assert_allclose(shares["validation"], shares["test"], atol=0.05)


def image(corpus: object, row: int) -> str:
    column = corpus.columns["image"]
    return str(column.items[column.item[row]].image)
