"""What a language says for every intent: wordings with slots, what fills them, and the words that may go around."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossmod.sources.draw import Draw

_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Sentence:
    """One sentence of an intent.

    Args:
        text: The words, without punctuation.
        meaning: The same in English; empty where the text is English.
        is_question: Whether it is to be spoken as one.
    """

    text: str
    meaning: str = ""
    is_question: bool = False


@dataclass(frozen=True)
class Language:
    """The sentences of one language.

    Args:
        code: Two letters.
        wordings: By intent, what is said, as (wording, the same in English); a wording that ends in a question mark
            is asked. English wordings leave the second empty.
        slots: What fills them, in the order of the English fillers.
        before: What may go before a wording that is no question.
        after: What may go after it.
    """

    code: str
    wordings: Mapping[str, tuple[tuple[str, str], ...]]
    slots: Mapping[str, tuple[str, ...]]
    before: tuple[str, ...]
    after: tuple[str, ...]

    def sentence(self, intent: str, draw: Draw, english: Mapping[str, tuple[str, ...]]) -> Sentence:
        """Draw one sentence of an intent; `english` holds the English fillers."""
        wording, meant = draw.choose(self.wordings[intent])
        chosen = {slot: draw.below(len(self.slots[slot])) for slot in _SLOT.findall(wording)}
        text = wording.removesuffix("?").format(**{slot: self.slots[slot][place] for slot, place in chosen.items()})
        meaning = meant.format(**{slot: english[slot][place] for slot, place in chosen.items()})
        is_question = wording.endswith("?")
        if not is_question:
            text = f"{draw.choose(self.before)} {text} {draw.choose(self.after)}"
        return Sentence(" ".join(text.split()), meaning, is_question)


def paired(meant: Sequence[tuple[str, str]], *said: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """By intent, what a language says with what it means.

    Args:
        meant: Intents and English wordings.
        said: The same wordings in the language, in the same order.

    >>> paired([("hail", "good day"), ("hail", "hello")], "guten Tag", "hallo")
    {'hail': (('guten Tag', 'good day'), ('hallo', 'hello'))}
    """
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for (intent, meaning), wording in zip(meant, said, strict=True):
        found[intent] = (*found.get(intent, ()), (wording, meaning))
    return found
