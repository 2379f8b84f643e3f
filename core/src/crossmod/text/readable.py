"""Which items are texts at all: asked by every text processor in the same words (torch-free)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Readable(NamedTuple):
    """The usable texts among some items, their positions there, and why the others are not usable."""

    texts: list[str]
    positions: list[int]
    rejected: list[tuple[int, str]]


def readable_texts(items: Sequence[Any]) -> Readable:
    """Sort items into texts and rejects.

    >>> readable_texts(["a cat", " ", 3]).rejected
    [(1, 'the text is empty'), (2, 'not a text but a value of type int')]
    """
    texts, positions, rejected = [], [], []
    for position, item in enumerate(items):
        reason = _fault(item)
        if reason:
            rejected.append((position, reason))
        else:
            texts.append(str(item))
            positions.append(position)
    return Readable(texts, positions, rejected)


def _fault(item: Any) -> str:
    if not isinstance(item, str):
        return f"not a text but a value of type {type(item).__name__}"
    if not item or item.isspace():
        return "the text is empty"
    if not item.isascii():
        try:
            item.encode("utf-8")
        except UnicodeEncodeError as error:
            return f"character {error.start} is half of a surrogate pair, which no encoding can write"
    return ""
