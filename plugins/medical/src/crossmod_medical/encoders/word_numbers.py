"""Which tokens of a byte-level vocabulary begin a word, spell a content word, and belong to the same word."""

from __future__ import annotations

import json
from collections.abc import Callable

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod.text.byte_pair import FILE, SPECIALS, BytePairProcessor

BLANK = "Ġ"
"""What a byte-level vocabulary writes for the blank before a word."""

FUNCTION_WORDS = frozenset(
    (
        *("a", "an", "the", "this", "that", "these", "those", "there", "it", "its", "which", "both"),
        *("is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "can", "may"),
        *("of", "in", "on", "at", "to", "for", "from", "by", "with", "as", "and", "or", "than"),
        *("seen", "noted", "observed", "present", "identified"),
    )
)
"""Words that name nothing in an image; denials ("no", "without") are not among them. [ours]"""


def word_beginnings(processor: BytePairProcessor) -> Bool[Tensor, "vocabulary"]:
    """Which tokens of a vocabulary begin a word."""
    return _tokens_that(processor, lambda token: token.startswith(BLANK))


def content_tokens(processor: BytePairProcessor) -> Bool[Tensor, "vocabulary"]:
    """Which tokens are letters or digits and are not by themselves a function word; a piece of a word counts."""

    def names_something(token: str) -> bool:
        spelt = token.removeprefix(BLANK).lower()
        whole = token.startswith(BLANK)
        return any(letter.isalnum() for letter in spelt) and not (whole and spelt in FUNCTION_WORDS)

    return _tokens_that(processor, names_something)


def word_numbers(
    ids: Int64[Tensor, "batch length"], begins: Bool[Tensor, "vocabulary"]
) -> Int64[Tensor, "batch length"]:
    """The number of each token's word within its text; -1 for special tokens and padding."""
    number = begins[ids].long().cumsum(1)
    return number.masked_fill(ids < len(SPECIALS), -1)


def _tokens_that(processor: BytePairProcessor, holds: Callable[[str], bool]) -> Bool[Tensor, "vocabulary"]:
    vocabulary = json.loads(processor.files()[FILE])["model"]["vocab"]
    found = torch.zeros(processor.vocabulary, dtype=torch.bool)
    found[[number for token, number in vocabulary.items() if number >= len(SPECIALS) and holds(token)]] = True
    return found
