"""Reads VQA-RAD: two files of JSON lines and a folder of images."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crossmod.contracts.corpus import Column, Corpus, Label, Rejected
from crossmod.errors import UserError
from crossmod.sources.distinct import distinct
from crossmod.sources.paths import EscapingPath, below_root
from crossmod.sources.splits import by_hash
from crossmod_medical.corpora.texts import same_text
from crossmod_medical.pairs.item import ImageText, QuestionKind
from crossmod_medical.vqa.data import VqaRad

FIELDS = ("qid", "image", "question", "answer", "answer_type", "phrase_type")
KINDS: dict[str, QuestionKind] = {"OPEN": "open", "CLOSED": "closed"}
TEMPLATE = "frame"
ORGANS = ("HEAD", "CHEST", "ABD")


class Question(NamedTuple):
    """One usable line of a file."""

    line: int
    id: str
    image: str
    path: str
    text: str
    answer: str
    kind: QuestionKind
    phrase: str
    organ: str


def read_vqa_rad(settings: VqaRad) -> Corpus:
    """Read the corpus.

    Raises:
        UserError: A file is missing or is no text, or no line of it can be used.
    """
    root = Path(settings.root)
    rejected: list[Rejected] = []
    train = list(_questions(root, "train.jsonl", rejected))
    if settings.phrases == "customary":
        train = [question for question in train if not question.phrase.startswith(TEMPLATE)]
    test = list(_questions(root, "test.jsonl", rejected))
    if not train:
        raise UserError(f"{root / 'train.jsonl'} has no usable question; its fields are {', '.join(FIELDS)}.")
    units = [_unit(question, settings) for question in train]
    may = {unit for unit, question in zip(units, train, strict=True) if _may_be_held_back(question, settings)}
    held = _held_back(may, settings)
    rows = train + test
    split = ["validation" if unit in held else "train" for unit in units] + ["test"] * len(test)
    answers = [same_text(question.answer) for question in rows]
    pairs = [ImageText(question.path, question.text, question.kind) for question in rows]
    # A question that was answered in two ways is two items: an item belongs to one group alone.
    answered, pair_at = distinct(list(zip(pairs, answers, strict=True)))
    pair_items = [pair for pair, _ in answered]
    answer_items, answer_at = distinct(answers)
    first = {at: question.line for at, question in reversed(list(zip(pair_at, rows, strict=True)))}
    return Corpus(
        name="VQA-RAD",
        columns={
            "image": Column(pair_items, np.array(pair_at, np.int64), [first[at] for at in range(len(pair_items))]),
            "text": Column(answer_items, np.array(answer_at, np.int64)),
        },
        ids=[question.id for question in rows],
        group=np.array(answer_at, np.int64),
        split=np.array(split),
        facts={"source": "VQA-RAD, doi:10.1038/sdata.2018.251", "licence": "CC0 1.0", "phrases": settings.phrases},
        rejected=rejected,
        labels=_labels(rows),
        subject=np.array(distinct([question.image for question in rows])[1], np.int64),
    )


def _questions(root: Path, name: str, rejected: list[Rejected]) -> Iterator[Question]:
    path = root / name
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"there is no {path}; give the folder that holds train.jsonl, test.jsonl and images.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({error}).") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _question(root, number, line)
        if isinstance(found, str):
            rejected.append(Rejected("image", number, f"{name}: {line[:160]}", found))
        else:
            yield found


def _question(root: Path, number: int, line: str) -> Question | str:
    """The question of a line, or why it cannot be used."""
    try:
        held = json.loads(line)
    except json.JSONDecodeError:
        return "the line is no JSON object"
    if not isinstance(held, dict):
        return "the line is no JSON object"
    cells = {name: str(held[name]).strip() for name in FIELDS if held.get(name) not in (None, "")}
    missing = [name for name in FIELDS if not cells.get(name)]
    if missing:
        return f"it has no {', '.join(missing)}"
    kind = KINDS.get(cells["answer_type"].upper())
    if kind is None:
        return f"its answer_type is {cells['answer_type']!r}, neither OPEN nor CLOSED"
    if not same_text(cells["answer"]):
        return "its answer is empty once it is normalised"
    try:
        path = below_root(root / "images", cells["image"])
    except EscapingPath as reason:
        return str(reason)
    organ = str(held.get("organ") or "").strip().upper()
    values = (cells["image"], str(path), cells["question"], cells["answer"], kind, cells["phrase_type"], organ)
    return Question(number, cells["qid"], *values)


def _unit(question: Question, settings: VqaRad) -> str:
    """What is held back or trains as one."""
    if settings.held_back_by == "row":
        return question.id
    if settings.held_back_by == "image":
        return question.image
    return f"{question.image}:{same_text(question.answer)}"


def _may_be_held_back(question: Question, settings: VqaRad) -> bool:
    """Whether it may validate: the test has no template rewordings."""
    return settings.held_back_by != "row" or not question.phrase.startswith(TEMPLATE)


def _held_back(units: set[str], settings: VqaRad) -> set[str]:
    return set(by_hash(list(units), settings.split_seed)[: round(settings.held_back * len(units))])


def _labels(rows: list[Question]) -> dict[str, Label]:
    """What is known of every question besides its answer; none has prompts."""
    kind = np.array([float(question.kind == "closed") for question in rows])
    organ = np.array([float(ORGANS.index(q.organ)) if q.organ in ORGANS else math.nan for q in rows])
    return {
        "question kind": Label(kind, "image", ("open", "closed")),
        "organ": Label(organ, "image", tuple(name.lower() for name in ORGANS)),
    }
