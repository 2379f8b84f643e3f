"""Questions as word numbers, with how rare each word is (torch-free until `inputs`)."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod.text.fingerprint import require_file, require_kind, sha256
from crossmod.text.packing import pack_tokens, token_inputs, truncation_counts
from crossmod.text.readable import readable_texts

if TYPE_CHECKING:
    from crossmod.text.inputs import TextInputs

KIND = "words"
FILE = "words.json"
PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def split_words(text: str) -> list[str]:
    """Lower-case words and numbers, in order.

    >>> split_words("Is the patient's lung OK?")
    ['is', 'the', "patient's", 'lung', 'ok']
    """
    return _WORD.findall(text.lower())


class WordProcessor(Processor):
    """Texts to the numbers of their words, 1 for words that training never saw.

    Args:
        words: Known words; word i has the number i + 2.
        rarity: For each, ln((1 + texts) / (1 + texts that hold it)) + 1.
        length: Most words a text keeps; longer ones are cut and counted.
    """

    def __init__(self, words: Sequence[str], rarity: Sequence[float], length: int) -> None:
        self.words, self.rarity, self.length = tuple(words), tuple(rarity), length
        self._number = {word: number + 2 for number, word in enumerate(self.words)}

    @classmethod
    def fit(cls, items: Sequence[Any], *, length: int) -> WordProcessor:
        """Know all words of the training texts.

        Raises:
            UserError: There is none.
        """
        texts = [set(split_words(text)) for text in readable_texts(items).texts]
        count = Counter(word for text in texts for word in text)
        if not count:
            raise UserError(f"none of the {len(items)} training texts holds a word; look at the corpus's texts.")
        words = sorted(count)
        rarity = [math.log((1 + len(texts)) / (1 + count[word])) + 1 for word in words]
        return cls(words, [round(value, 6) for value in rarity], length)

    @classmethod
    def load(cls, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> WordProcessor:
        """Restore the processor that a spec and its file describe.

        Raises:
            UserError: The spec is of another kind, or the file is missing or was changed.
        """
        require_kind(spec, KIND, "vocabulary_sha256", "length")
        held = json.loads(require_file(files, FILE, spec["vocabulary_sha256"]))
        return cls(held["words"], held["rarity"], int(spec["length"]))

    @property
    def spec(self) -> Mapping[str, Any]:
        """Size and hash of the vocabulary, and the length."""
        return {
            "kind": KIND,
            "vocabulary": self.vocabulary,
            "vocabulary_sha256": sha256(self._content),
            "length": self.length,
        }

    @property
    def vocabulary(self) -> int:
        """Number of words, padding and the unknown one included."""
        return len(self.words) + 2

    @property
    def _content(self) -> bytes:
        return json.dumps({"words": self.words, "rarity": self.rarity}, ensure_ascii=False).encode()

    def files(self) -> Mapping[str, bytes]:
        """The words."""
        return {FILE: self._content}

    def process(self, items: Sequence[Any]) -> Processed:
        """Number words; a text without any is rejected."""
        readable = readable_texts(items)
        rejected, kept, accepted, dropped = list(readable.rejected), [], [], []
        for position, text in zip(readable.positions, readable.texts, strict=True):
            numbers = [self._number.get(word, UNKNOWN) for word in split_words(text)]
            if not numbers:
                rejected.append((position, "the text holds no word"))
                continue
            if len(numbers) > self.length:
                dropped.append(len(numbers) - self.length)
            kept.append(numbers[: self.length])
            accepted.append(position)
        counts = truncation_counts(dropped, self.length)
        return Processed(pack_tokens(kept), np.asarray(accepted, np.int64), sorted(rejected), counts)

    def inputs(self, parts: Sequence[Processed]) -> TextInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        return token_inputs(parts)
