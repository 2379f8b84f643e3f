"""Hashed word and character n-grams of many texts at once, in array arithmetic (torch-free).

A model folder is only readable while these numbers stay what they are: `HASH` names this definition, and changing
anything here means giving it a new name.

A text is its words w1, w2, ... with one blank before, between and after them, as Unicode code points c. A run of n
code points hashes to sum_k (c_k + 1) * P^k mod 2^64, P the FNV-1a prime (taken for its bit pattern only: a
polynomial, unlike FNV-1a itself, can be computed for every word of a corpus in one pass). The sum and a salt for
the kind of n-gram go through the splitmix64 finaliser (Steele et al., doi:10.1145/2660193.2660195) and are
reduced modulo the number of buckets.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

HASH = "polynomial splitmix64, version 1"

Codes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

_PRIME = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD_SALT = 1000
_BLANK = np.uint64(32)


class Grams(NamedTuple):
    """The distinct n-grams of texts: which text, which bucket, and how often; by text, then by bucket."""

    text: Positions
    bucket: Positions
    times: Positions


def normalised(text: str, lower_case: bool) -> str:
    """The words in Unicode form NFKC, blanks before, between and after them.

    >>> normalised("Benzoic\\tacid", lower_case=True)
    ' benzoic acid '
    """
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    words = (text.lower() if lower_case else text).split()
    return f" {' '.join(words)} "


def hashed_ngrams(
    texts: Sequence[str], word_orders: Sequence[int], character_orders: Sequence[int], buckets: int
) -> Grams:
    """The distinct n-grams of `normalised` texts.

    Character n-grams lie within one word and its two blanks, which mark the word's ends; a word n-gram is n
    successive words of one text.

    Args:
        texts: Texts that `normalised` made.
        word_orders: The n of the word n-grams.
        character_orders: The n of the character n-grams.
        buckets: Number of buckets that hashes are reduced to.
    """
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.uint64)
    text = np.repeat(np.arange(len(texts)), [len(entry) for entry in texts])
    keys = [np.zeros(0, np.int64)]
    for owner, hashes in _all_hashes(codes, text, word_orders, character_orders):
        keys.append(owner * buckets + (hashes % np.uint64(buckets)).astype(np.int64))
    distinct, times = np.unique(np.concatenate(keys), return_counts=True)
    return Grams(distinct // buckets, distinct % buckets, times.astype(np.int64))


def _all_hashes(
    codes: Codes, text: Positions, word_orders: Sequence[int], character_orders: Sequence[int]
) -> Iterator[tuple[Positions, Codes]]:
    blank = codes == _BLANK
    for order in character_orders:
        yield _character_hashes(codes, text, blank, order)
    starts = np.flatnonzero(blank[:-1] & ~blank[1:]) + 1
    ends = np.flatnonzero(~blank[:-1] & blank[1:]) + 1
    words, owner = _word_hashes(codes, starts, ends), text[starts]
    for order in word_orders:
        yield _word_ngram_hashes(words, owner, order)


def _character_hashes(
    codes: Codes, text: Positions, blank: npt.NDArray[np.bool_], order: int
) -> tuple[Positions, Codes]:
    windows = max(0, len(codes) - order + 1)
    hashes = np.zeros(windows, np.uint64)
    power = np.ones(1, np.uint64)
    for k in range(order):
        hashes += (codes[k : k + windows] + np.uint64(1)) * power
        power = power * _PRIME
    # Blanks among the first p code points, p = 0, 1, ...: those strictly inside a window are a difference of two.
    blanks = np.concatenate([np.zeros(1, np.int64), np.cumsum(blank)])
    inner = blanks[order - 1 : order - 1 + windows] - blanks[1 : 1 + windows] if order > 1 else 0
    whole = (inner == 0) & (text[:windows] == text[order - 1 : order - 1 + windows])
    if order == 1:
        whole &= ~blank
    return text[:windows][whole], _mixed(hashes[whole], order)


def _word_hashes(codes: Codes, starts: Positions, ends: Positions) -> Codes:
    """One polynomial hash a word."""
    if not len(starts):
        return np.zeros(0, np.uint64)
    lengths = ends - starts
    first = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(first, lengths)
    factors = np.full(int(lengths.max()), _PRIME, np.uint64)
    factors[0] = 1
    powers = np.multiply.accumulate(factors)
    values = (codes[np.repeat(starts, lengths) + within] + np.uint64(1)) * powers[within]
    return np.add.reduceat(values, first)


def _word_ngram_hashes(words: Codes, owner: Positions, order: int) -> tuple[Positions, Codes]:
    runs = max(0, len(words) - order + 1)
    hashes = np.zeros(runs, np.uint64)
    for k in range(order):
        hashes = _mixed(hashes, k) + words[k : k + runs]
    whole = owner[:runs] == owner[order - 1 : order - 1 + runs]
    return owner[:runs][whole], _mixed(hashes[whole], _WORD_SALT + order)


def _mixed(hashes: Codes, salt: int) -> Codes:
    """The splitmix64 finaliser of a hash and a salt."""
    mixed = hashes + np.array([salt + 1], np.uint64) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_A
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_B
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
