"""Sentences of a report: split where one ends, not inside 1.5 cm, Dr. X or Fig. 2."""

from __future__ import annotations

import re

ABBREVIATIONS = frozenset(
    (
        *("dr", "prof", "mr", "mrs", "ms", "st", "vs", "e.g", "i.e", "etc", "cf", "ca", "approx", "fig", "no", "nr"),
        *("im", "se", "min", "max", "resp", "incl", "excl", "est", "sec", "w", "wo", "a.m", "p.m", "bilat", "lat"),
    )
)
"""Words whose full stop ends no sentence; "no" and "im" only before a number ("no. 5", "im. 32")."""

_ONLY_BEFORE_NUMBERS = frozenset(("no", "nr", "im", "se", "fig", "min", "max", "sec"))

_END = re.compile(r"(?P<mark>[.!?]+)(?P<closing>[)\]\"']*)(?=\s|$)|\s*\n\s*(?=\n|[-*•]|\d+[.)]\s)|\n\s*\n")
_BULLET = re.compile(r"^(?:[-*•]+|\(?\d{1,2}[.)])\s+")
_LAST_WORD = re.compile(r"([\w.]+)$")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, in order; joined by blanks they hold every word of it.

    A full stop ends a sentence where a blank follows, unless it belongs to an abbreviation or an initial, or to the
    number of a list, which is left out with its bullet. A line that begins with a bullet or number begins a sentence.

    >>> split_sentences("A nodule of 1.5 cm. No effusion.")
    ['A nodule of 1.5 cm.', 'No effusion.']
    """
    sentences: list[str] = []
    start = 0
    for found in _END.finditer(text):
        if found["mark"] and not _ends(text, found):
            continue
        _add(sentences, text[start : found.end()])
        start = found.end()
    _add(sentences, text[start:])
    return sentences


def _ends(text: str, found: re.Match[str]) -> bool:
    """Whether the mark ends a sentence."""
    if found["mark"] != ".":
        return True
    before = _LAST_WORD.search(text[max(0, found.start() - 24) : found.start()])
    word = before.group(1) if before else ""
    rest = text[found.end() :].lstrip()
    low = word.lower()
    if low in ABBREVIATIONS:
        return low in _ONLY_BEFORE_NUMBERS and not rest[:1].isdigit()
    if word.isdigit() and len(word) <= 2:
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()].strip()
        ahead = text[: found.start() - len(word)].rstrip()
        *_, owner = ahead.split() or [""]
        begins = ahead.endswith((".", ":", "!", "?", ";")) and owner.rstrip(".").lower() not in ABBREVIATIONS
        return line != word and not begins
    return not (len(word) == 1 and word.isupper() and rest[:1].isupper())


def _add(sentences: list[str], text: str) -> None:
    text = _BULLET.sub("", " ".join(text.split()))
    if any(character.isalnum() for character in text):
        sentences.append(text)
    elif text and sentences:
        sentences[-1] += text
