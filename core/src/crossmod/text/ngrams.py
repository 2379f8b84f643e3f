"""Texts as weighted bags of hashed n-grams: no vocabulary to learn, only how telling each bucket is (torch-free)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod.text.fingerprint import require_file, require_kind, sha256
from crossmod.text.ngram_hash import HASH, Grams, hashed_ngrams, normalised
from crossmod.text.packing import joined, joined_offsets
from crossmod.text.readable import readable_texts

if TYPE_CHECKING:
    from crossmod.text.ngram_inputs import NgramInputs

KIND = "n-gram bag"
FILE = "idf.npy"
Frequency = Literal["sqrt", "log"]

_CHUNK_CHARACTERS = 1 << 19
"""Characters hashed at once: their n-grams stay within some hundred MiB, however long one text is."""


class NgramProcessor(Processor):
    """Texts to buckets with weights tf * idf, scaled to unit length (hashing as in fastText, arXiv:1607.04606).

    tf is the root of the count, or 1 + log of it; idf = log((1 + N) / n) of a bucket that n of the N training
    texts hold, and 0 where n is below the least number of texts: such n-grams are left out.

    Args:
        idf: [buckets] float32, learned by `fit`.
        word_orders: The n of the word n-grams.
        character_orders: The n of the character n-grams within a word and its end marks.
        frequency: How the count of an n-gram in a text enters its weight.
        lower_case: Whether case is dropped.
    """

    def __init__(
        self,
        idf: npt.NDArray[np.float32],
        *,
        word_orders: Sequence[int],
        character_orders: Sequence[int],
        frequency: Frequency = "sqrt",
        lower_case: bool = True,
    ) -> None:
        _check(len(idf), word_orders, character_orders, frequency)
        self.idf = np.asarray(idf, np.float32)
        self.word_orders = tuple(word_orders)
        self.character_orders = tuple(character_orders)
        self.frequency = frequency
        self.lower_case = lower_case

    @classmethod
    def fit(
        cls,
        items: Sequence[Any],
        *,
        buckets: int,
        word_orders: Sequence[int],
        character_orders: Sequence[int],
        frequency: Frequency = "sqrt",
        lower_case: bool = True,
        least_texts: int = 1,
    ) -> NgramProcessor:
        """Learn the inverse document frequencies on training texts; unusable items are passed over.

        Raises:
            UserError: No item is a usable text, or there is no n-gram order or no bucket.
        """
        _check(buckets, word_orders, character_orders, frequency)
        texts = readable_texts(items).texts
        if not texts:
            raise UserError(
                f"none of the {len(items)} training items is a usable text, so no n-gram weights can be learned; "
                "check which column the texts are read from."
            )
        holding = np.zeros(buckets, np.int64)
        for chunk in _chunks([normalised(text, lower_case) for text in texts]):
            grams = hashed_ngrams(chunk, word_orders, character_orders, buckets)
            holding += np.bincount(grams.bucket, minlength=buckets)
        idf = np.log((1 + len(texts)) / np.maximum(holding, 1))
        idf[holding < max(least_texts, 1)] = 0.0
        return cls(
            idf.astype(np.float32),
            word_orders=word_orders,
            character_orders=character_orders,
            frequency=frequency,
            lower_case=lower_case,
        )

    @classmethod
    def load(cls, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> NgramProcessor:
        """Restore the processor that a spec and its files describe.

        Raises:
            UserError: The spec is of another kind or of another hash, or the file is missing or was changed.
        """
        entries = ("hash", "idf_sha256", "word_orders", "character_orders", "frequency", "lower_case")
        require_kind(spec, KIND, *entries)
        if spec["hash"] != HASH:
            raise UserError(
                f"the model's n-grams were hashed by {spec['hash']!r} and this crossmod hashes by {HASH!r}; "
                "install the version of crossmod that the model was trained with."
            )
        content = require_file(files, FILE, spec["idf_sha256"])
        return cls(
            np.load(io.BytesIO(content), allow_pickle=False),
            word_orders=spec["word_orders"],
            character_orders=spec["character_orders"],
            frequency=spec["frequency"],
            lower_case=spec["lower_case"],
        )

    @property
    def buckets(self) -> int:
        """The number of buckets that n-grams are hashed into."""
        return len(self.idf)

    @property
    def spec(self) -> Mapping[str, Any]:
        return {
            "kind": KIND,
            "hash": HASH,
            "buckets": self.buckets,
            "idf_sha256": sha256(self.files()[FILE]),
            "word_orders": list(self.word_orders),
            "character_orders": list(self.character_orders),
            "frequency": self.frequency,
            "lower_case": self.lower_case,
            "normalisation": "NFKC, single blanks" + (", lower case" if self.lower_case else ""),
        }

    def files(self) -> Mapping[str, bytes]:
        stream = io.BytesIO()
        np.save(stream, self.idf, allow_pickle=False)
        return {FILE: stream.getvalue()}

    def process(self, items: Sequence[Any]) -> Processed:
        readable = readable_texts(items)
        arrays = [self._weighed(()), *map(self._weighed, _chunks(self._normalised(readable.texts)))]
        lengths = np.concatenate([chunk["lengths"] for chunk in arrays])
        empty = "none of its n-grams occurs in the training texts"
        unknown = [(position, empty) for position, size in zip(readable.positions, lengths, strict=True) if not size]
        return Processed(
            arrays={
                "buckets": np.concatenate([chunk["buckets"] for chunk in arrays]),
                "weights": np.concatenate([chunk["weights"] for chunk in arrays]),
                "lengths": lengths[lengths > 0],
            },
            accepted=np.asarray(readable.positions, np.int64)[lengths > 0],
            rejected=sorted([*readable.rejected, *unknown]),
        )

    def inputs(self, parts: Sequence[Processed]) -> NgramInputs:
        import torch

        from crossmod.text.ngram_inputs import NgramInputs

        return NgramInputs(
            buckets=torch.from_numpy(joined(parts, "buckets", np.int32)),
            weights=torch.from_numpy(joined(parts, "weights", np.float32)),
            offsets=torch.from_numpy(joined_offsets(parts)),
        )

    def _normalised(self, texts: Sequence[str]) -> list[str]:
        return [normalised(text, self.lower_case) for text in texts]

    def _weighed(self, texts: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        grams = hashed_ngrams(texts, self.word_orders, self.character_orders, self.buckets)
        known = self.idf[grams.bucket] > 0
        grams = Grams(*(values[known] for values in grams))
        frequency = np.sqrt(grams.times) if self.frequency == "sqrt" else 1 + np.log(grams.times)
        weights = self.idf[grams.bucket] * frequency
        squares = np.bincount(grams.text, weights * weights, minlength=len(texts))
        return {
            "buckets": grams.bucket.astype(np.int32),
            "weights": (weights / np.sqrt(squares)[grams.text]).astype(np.float32),
            "lengths": np.bincount(grams.text, minlength=len(texts)).astype(np.int32),
        }


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Runs of texts of about `_CHUNK_CHARACTERS` together, each of at least one text."""
    start, characters = 0, 0
    for position, text in enumerate(texts):
        characters += len(text)
        if characters >= _CHUNK_CHARACTERS:
            yield texts[start : position + 1]
            start, characters = position + 1, 0
    if start < len(texts):
        yield texts[start:]


def _check(buckets: int, word_orders: Sequence[int], character_orders: Sequence[int], frequency: str) -> None:
    orders = [*word_orders, *character_orders]
    if not orders or min(orders) < 1:
        raise UserError(
            f"the n-gram orders are {list(word_orders)} for words and {list(character_orders)} for characters; "
            "take at least one order, and none below 1."
        )
    if not 1 <= buckets < 2**31:
        raise UserError(f"the number of n-gram buckets is {buckets}; take 1 to {2**31 - 1}, such as 65536.")
    if frequency not in ("sqrt", "log"):
        raise UserError(f"the n-gram frequency is {frequency!r}; take 'sqrt' or 'log'.")
