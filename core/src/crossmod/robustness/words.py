"""Words of raw sentences: which one of each an attack takes, and which are one token of a tower.

The attacked sentence stays a string, so it can be shown to any model, whatever its tower makes of text.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.robustness.sentences import token_tower
from crossmod.robustness.substitution import EncodeTexts, WordSubstitution

CHUNK = 256
"""Texts that are looked at together."""


@final
@dataclass(frozen=True)
class TokenWords:
    """Words that are one token of a tower.

    Attributes:
        words: In the order of the alphabet.
        tokens: What the tower reads each as.
        vectors: The vector of each before positions are added.

    Shape:
        tokens: [words].
        vectors: [words, width].
    """

    words: Sequence[str]
    tokens: Int64[Tensor, "words"]
    vectors: Float[Tensor, "words width"]


def important_words(encode: EncodeTexts, texts: Sequence[str], stop_words: Set[str]) -> list[int]:
    """The place of every sentence's most important word by SGA's measure, -1 where no word may be replaced.

    A word is hidden by leaving it out, as tokenizers differ in what stands for an unknown word [ours].
    """
    ranking = WordSubstitution(lambda words, place: (), frozenset(stop_words), unknown="")
    found = []
    for start in range(0, len(texts), CHUNK):
        sentences = [text.split() for text in texts[start : start + CHUNK]]
        # Without its only word a text is no text.
        several = [words if len(words) > 1 else [] for words in sentences]
        found += [places[0] if places else -1 for places in ranking.by_importance_of_each(encode, several)]
    return found


def with_word(texts: Sequence[str], places: Sequence[int], word: str) -> list[str]:
    """The sentences with one word at these places; a sentence without a place is left as it is.

    >>> with_word(["a small nodule", "normal"], [1, -1], "large")
    ['a large nodule', 'normal']
    """
    found = []
    for text, place in zip(texts, places, strict=True):
        words = text.split()
        found.append(text if place < 0 else " ".join([*words[:place], word, *words[place + 1 :]]))
    return found


@torch.no_grad()
def token_words(model: CrossModal, modality: str, texts: Sequence[str], stop_words: Set[str]) -> TokenWords:
    """The words of the texts that are letters alone, no stop words, and one token of the modality's tower.

    Raises:
        UserError: The tower takes no tokens as vectors, or there is no such word.
    """
    tower = token_tower(model, modality)
    # Lower case first: where the tower drops case, a word is kept in the writing that it reads.
    every = sorted({word for text in texts for word in text.split()}, key=lambda word: (word != word.lower(), word))
    candidates = [word for word in every if word.isalpha() and word.lower() not in stop_words]
    found: dict[int, tuple[str, Tensor]] = {}
    device = next(model.parameters()).device
    for start in range(0, len(candidates), CHUNK):
        chunk = candidates[start : start + CHUNK]
        tokens = tower.tokenise(tower.processor(chunk).to(device))
        for row in (tokens.mask.sum(dim=1) == 1).nonzero()[:, 0].tolist():
            place = int(tokens.mask[row].nonzero()[0])
            found.setdefault(int(tokens.targets[row, place]), (chunk[row], tokens.values[row, place]))
    if not found:
        raise UserError(
            f"none of the {len(candidates)} words of {modality} is a single token, so none can stand for a vector; "
            "train its tower with a larger vocabulary, or attack another modality by --modality."
        )
    order = sorted(found, key=lambda token: found[token][0])
    vectors = torch.stack([found[token][1] for token in order])
    return TokenWords([found[token][0] for token in order], torch.tensor(order, device=device), vectors)


@torch.no_grad()
def token_places(
    model: CrossModal, modality: str, texts: Sequence[str], places: Sequence[int], token: int
) -> list[int]:
    """The place among a sentence's tokens of the one token that stands for a word; -1 where the tower cuts it off.

    Args:
        model: The model.
        modality: A modality whose tower is a `TokenTower`.
        texts: The sentences, each with a word of one token at its place.
        places: Of that word among the words.
        token: What the tower reads the word as.

    Raises:
        UserError: The tower reads another token there, as one would that joins words.
    """
    tower = token_tower(model, modality)
    device = next(model.parameters()).device
    found: list[int] = []
    for start in range(0, len(texts), CHUNK):
        chunk, at = texts[start : start + CHUNK], places[start : start + CHUNK]
        tokens = tower.tokenise(tower.processor(chunk).to(device))
        # A text may not be empty, so a first word is counted from its own text and not from nothing before it.
        before = [" ".join(text.split()[:place] or text.split()) for text, place in zip(chunk, at, strict=True)]
        counts = tower.tokenise(tower.processor(before).to(device)).mask.sum(dim=1).tolist()
        for row, (text, place, count) in enumerate(zip(chunk, at, counts, strict=True)):
            own = tokens.mask[row].nonzero()[:, 0].tolist()[count if place else 0 :]
            if own and int(tokens.targets[row, own[0]]) != token:
                raise UserError(
                    f"the tower of {modality} reads word {place} of {text!r} as another token than the word alone; "
                    "words that are joined cannot be replaced one by one."
                )
            found.append(own[0] if own else -1)
    return found
