"""Reports to byte-pair tokens that know their sentence (torch-free until `inputs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod.text.byte_pair import END, START, BytePairProcessor
from crossmod.text.packing import joined, joined_offsets, pack_tokens, truncation_counts
from crossmod.text.readable import readable_texts
from crossmod_medical.reports.sentences import split_sentences

if TYPE_CHECKING:
    from crossmod_medical.encoders.sentence_inputs import SentenceInputs

KIND = "byte pair in sentences"
SENTENCE_RULES = 1
"""Raised whenever the splitter changes what it splits, since a checkpoint was trained on its sentences."""


def sentences_of(text: str) -> list[str]:
    """The sentences of a text; one without any is a sentence itself."""
    return split_sentences(text) or [text]


def require_sentences(spec: Mapping[str, Any], kind: str) -> None:
    """Refuse a checkpoint of another kind of processor, or whose sentences were split by other rules.

    Raises:
        UserError: It is one.
    """
    if spec.get("kind") != kind or spec.get("sentence_rules") != SENTENCE_RULES:
        raise UserError(
            f"the checkpoint's reports are {spec.get('kind')!r} of sentence rules {spec.get('sentence_rules')}, and "
            f"this tower reads {kind!r} of rules {SENTENCE_RULES}; load it with the settings and version that it was "
            "trained with."
        )


class SentenceProcessor(Processor):
    """Reports to `[CLS] sentence sentence ... [SEP]`; longer ones are cut and counted.

    Args:
        tokens: The vocabulary, whose length limits a single sentence.
        length: Most tokens a report keeps, both specials included.
    """

    smallest_for_workers = 2048

    def __init__(self, tokens: BytePairProcessor, length: int) -> None:
        self.tokens, self.length = tokens, length

    @classmethod
    def load(cls, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> SentenceProcessor:
        """Restore the processor that a spec and its files describe.

        Raises:
            UserError: The spec is of another kind or of other sentence rules, or a file is missing or was changed.
        """
        require_sentences(spec, KIND)
        return cls(BytePairProcessor.load(spec["tokens"], files), int(spec["length"]))

    @property
    def spec(self) -> Mapping[str, Any]:
        """Vocabulary, length and the version of the sentence rules."""
        tokens = dict(self.tokens.spec)
        return {"kind": KIND, "length": self.length, "sentence_rules": SENTENCE_RULES, "tokens": tokens}

    @property
    def vocabulary(self) -> int:
        """The number of tokens, specials included."""
        return self.tokens.vocabulary

    def files(self) -> Mapping[str, bytes]:
        """The vocabulary's file."""
        return self.tokens.files()

    def process(self, items: Sequence[Any]) -> Processed:
        """Read reports; one without any word is rejected."""
        readable = readable_texts(items)
        rejected, kept, numbered, accepted, dropped = list(readable.rejected), [], [], [], []
        room = self.length - 2
        for position, text in zip(readable.positions, readable.texts, strict=True):
            sentences = self._sentences(text)
            ids = [token for sentence in sentences for token in sentence]
            if not ids:
                rejected.append((position, "nothing is left of the report once it is normalised"))
                continue
            if len(ids) > room:
                dropped.append(len(ids) - room)
            number = [place for place, sentence in enumerate(sentences) for _ in sentence]
            kept.append([START, *ids[:room], END])
            numbered.append([-1, *number[:room], -1])
            accepted.append(position)
        arrays = pack_tokens(kept)
        return Processed(
            arrays={**arrays, "sentence": pack_tokens(numbered)["ids"]},
            accepted=np.asarray(accepted, np.int64),
            rejected=sorted(rejected),
            counts=truncation_counts(dropped, self.length),
        )

    def _sentences(self, text: str) -> list[list[int]]:
        """Token ids of every sentence, without special tokens; a text without any sentence is one."""
        processed = self.tokens.process(sentences_of(text))
        ends = np.cumsum(processed.arrays["lengths"])[:-1]
        return [part[1:-1].tolist() for part in np.split(processed.arrays["ids"], ends) if len(part) > 2]

    def inputs(self, parts: Sequence[Processed]) -> SentenceInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod_medical.encoders.sentence_inputs import SentenceInputs

        return SentenceInputs(
            torch.from_numpy(joined(parts, "ids", np.int32)),
            torch.from_numpy(joined(parts, "sentence", np.int32)),
            torch.from_numpy(joined_offsets(parts)),
        )
