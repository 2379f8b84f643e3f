"""Byte-level byte-pair encoding learned on the training texts: any text of any language, no unknown token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod.text.fingerprint import require_file, require_kind, sha256
from crossmod.text.packing import one_thread_in_workers, pack_tokens, token_inputs, truncation_counts
from crossmod.text.readable import readable_texts

if TYPE_CHECKING:
    from crossmod.text.inputs import TextInputs

PADDING, START, END, MASK = range(4)
SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
"""The special tokens, by id; none is ever produced by a text that merely spells it."""

SMALLEST_VOCABULARY = len(SPECIALS) + 256
"""The specials and one token for every byte."""

KIND = "byte pair"
FILE = "tokenizer.json"

_CHARACTERS_A_TOKEN = 16
"""Three to four times what a learned token spells: how much of each text the vocabulary is learned on."""


class BytePairProcessor(Processor):
    """Texts to `[CLS] tokens [SEP]`, byte-pair encoded (Sennrich et al., arXiv:1508.07909; bytes as in GPT-2).

    Texts are brought to Unicode form NFKC, runs of white space become one blank, and case is dropped on request.

    Args:
        tokenizer: The content of a tokenizer.json that `fit` learned.
        length: Most tokens a text keeps, both specials included; longer texts are cut and counted.
    """

    def __init__(self, tokenizer: bytes, length: int) -> None:
        if length < 3:
            raise UserError(f"the text length is {length}; it takes at least 3 for [CLS], one token and [SEP].")
        self._content = tokenizer
        self.length = length

    @classmethod
    def fit(cls, items: Sequence[Any], *, vocabulary: int, length: int, lower_case: bool = True) -> BytePairProcessor:
        """Learn a vocabulary of at most `vocabulary` tokens on training texts; unusable items are passed over.

        Raises:
            UserError: No item is a usable text, or the vocabulary has no room for the specials and all bytes.
        """
        if vocabulary < SMALLEST_VOCABULARY:
            raise UserError(
                f"the text vocabulary is {vocabulary}; byte-pair encoding takes at least {SMALLEST_VOCABULARY} "
                f"({len(SPECIALS)} specials and 256 bytes)."
            )
        texts = readable_texts(items).texts
        if not texts:
            raise UserError(
                f"none of the {len(items)} training items is a usable text, so no vocabulary can be learned; "
                "check which column the texts are read from."
            )
        one_thread_in_workers()
        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = _normaliser(lower_case)
        # The prefix blank makes a text's first word the same token as the same word inside a text.
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIALS),
            # Every byte, met or not: an unseen script is spelled in bytes instead of failing.
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            min_frequency=2,
            show_progress=False,
        )
        # Nothing far beyond the length is ever read, and the trainer is quadratic in a text without blanks.
        read = [text[: length * _CHARACTERS_A_TOKEN] for text in texts]
        tokenizer.train_from_iterator(read, trainer, length=len(read))
        return cls(tokenizer.to_str().encode(), length)

    @classmethod
    def load(cls, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> BytePairProcessor:
        """Restore the processor that a spec and its files describe.

        Raises:
            UserError: The spec is of another kind, or the file is missing or was changed.
        """
        require_kind(spec, KIND, "vocabulary_sha256", "length")
        return cls(require_file(files, FILE, spec["vocabulary_sha256"]), int(spec["length"]))

    @property
    def spec(self) -> Mapping[str, Any]:
        return {
            "kind": KIND,
            "vocabulary": self.vocabulary,
            "vocabulary_sha256": sha256(self._content),
            "length": self.length,
            "lower_case": self.lower_case,
            "normalisation": "NFKC, single blanks" + (", lower case" if self.lower_case else ""),
            "specials": list(SPECIALS),
        }

    def files(self) -> Mapping[str, bytes]:
        return {FILE: self._content}

    @property
    def vocabulary(self) -> int:
        """The number of tokens, specials included."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def lower_case(self) -> bool:
        """Whether case is dropped."""
        return bool(self._tokenizer.normalizer.normalize_str("A") == "a")

    def process(self, items: Sequence[Any]) -> Processed:
        one_thread_in_workers()
        readable = readable_texts(items)
        rejected, dropped, accepted, kept = list(readable.rejected), [], [], []
        room = self.length - 2
        encodings = self._tokenizer.encode_batch_fast(readable.texts, add_special_tokens=False)
        for position, encoding in zip(readable.positions, encodings, strict=True):
            ids = encoding.ids
            if not ids:
                rejected.append((position, "nothing is left of the text once it is normalised"))
                continue
            if len(ids) > room:
                dropped.append(len(ids) - room)
            kept.append([START, *ids[:room], END])
            accepted.append(position)
        return Processed(
            arrays=pack_tokens(kept),
            accepted=np.asarray(accepted, np.int64),
            rejected=sorted(rejected),
            counts=truncation_counts(dropped, self.length),
        )

    def inputs(self, parts: Sequence[Processed]) -> TextInputs:
        return token_inputs(parts)

    def text(self, ids: Sequence[int]) -> str:
        """The normalised text that ids spell, specials left out; for looking at what a model was given."""
        pieces = [self._tokenizer.id_to_token(i) for i in ids if i >= len(SPECIALS)]
        return str(decoders.ByteLevel().decode(pieces)).strip()

    def __getstate__(self) -> dict[str, Any]:
        return {"_content": self._content, "length": self.length}

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = Tokenizer.from_str(self._content.decode())
        # A text that spells "[MASK]" is text, not a mask.
        tokenizer.encode_special_tokens = True
        return tokenizer


def _normaliser(lower_case: bool) -> Any:
    steps = [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if lower_case:
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence(steps)
