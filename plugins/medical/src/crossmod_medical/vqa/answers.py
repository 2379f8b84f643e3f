"""Answers as classes: how they are written, which of them training knows, and the tower that holds one row a class."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod.text.fingerprint import require_file, require_kind, sha256
from crossmod.text.packing import joined
from crossmod.text.readable import readable_texts
from crossmod_medical.corpora.texts import same_text

if TYPE_CHECKING:
    from crossmod_medical.vqa.answer_tower import AnswerInputs

KIND = "answer class"
FILE = "answers.json"
UNKNOWN = 0
"""The class of every answer that training never saw; no model is ever asked for it."""


class AnswerProcessor(Processor):
    """Answers to class numbers, 0 for answers outside the vocabulary.

    Args:
        answers: The known answers, as `same_text` gives them; class i + 1 is answers[i].
    """

    smallest_for_workers = 1 << 20

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = tuple(answers)
        self._number = {answer: number + 1 for number, answer in enumerate(self.answers)}

    @classmethod
    def fit(cls, items: Sequence[Any]) -> AnswerProcessor:
        """Know every training answer.

        Raises:
            UserError: None can be used.
        """
        known = sorted({same_text(text) for text in readable_texts(items).texts} - {""})
        if not known:
            raise UserError(f"none of {len(items)} training answers can be used; look at the corpus's answers.")
        return cls(known)

    @classmethod
    def load(cls, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> AnswerProcessor:
        """Restore the processor that a spec and its file describe.

        Raises:
            UserError: The spec is of another kind, or the file is missing or was changed.
        """
        require_kind(spec, KIND, "vocabulary_sha256")
        return cls(json.loads(require_file(files, FILE, spec["vocabulary_sha256"])))

    @property
    def spec(self) -> Mapping[str, Any]:
        """How many answers are known, and their hash."""
        return {"kind": KIND, "answers": len(self.answers), "vocabulary_sha256": sha256(self._content)}

    @property
    def _content(self) -> bytes:
        return json.dumps(list(self.answers), ensure_ascii=False).encode()

    def files(self) -> Mapping[str, bytes]:
        """The answers."""
        return {FILE: self._content}

    def number(self, answer: str) -> int:
        """The class of an answer; 0 where training never saw it."""
        return self._number.get(same_text(answer), UNKNOWN)

    def process(self, items: Sequence[Any]) -> Processed:
        """Number answers; one that is no text is rejected."""
        readable = readable_texts(items)
        numbers = np.array([self.number(text) for text in readable.texts], np.int64)
        unknown = int((numbers == UNKNOWN).sum())
        counts = {"answers outside the vocabulary, which no model can give": unknown} if unknown else {}
        return Processed({"answer": numbers}, np.asarray(readable.positions, np.int64), readable.rejected, counts)

    def inputs(self, parts: Sequence[Processed]) -> AnswerInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod_medical.vqa.answer_tower import AnswerInputs

        return AnswerInputs(torch.from_numpy(joined(parts, "answer", np.int64)))
