"""Whether a sentence affirms or denies what it mentions (after NegEx, doi:10.1006/jbin.2001.1029)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

BEFORE = (
    *("no evidence of", "no signs of", "no sign of", "no", "not", "without evidence of", "without", "negative for"),
    *("free of", "absence of", "denies", "neither", "nor", "cannot see", "rules out", "ruled out", "lack of", "lacks"),
)
"""Words that deny what follows them, up to the end of their clause."""

AFTER = (
    *("is not", "are not", "was not", "were not", "has not", "have not", "is absent", "are absent", "was absent"),
    *("were absent", "is ruled out", "are ruled out", "was ruled out", "unlikely", "not seen", "not detected"),
    *("not observed", "not present", "not identified", "has resolved", "have resolved"),
)
"""Words that deny what precedes them."""

NOT_NEGATING = ("no change", "no increase", "no significant change", "not only", "no interval change", "without change")
"""Words that look like the above and deny nothing."""

_CLAUSE = re.compile(r"[;:]|,\s*(?=but\b|however\b|although\b)|\b(?:but|however|although|though|except|apart from)\b")


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b")


_BEFORE, _AFTER, _NOT = _pattern(BEFORE), _pattern(AFTER), _pattern(NOT_NEGATING)


def status_of(sentence: str, terms: Iterable[str]) -> Literal["affirmed", "negated"] | None:
    """What a sentence says of any of the terms: affirmed where one of them is, None where none is mentioned.

    Terms match whole words without regard to case. A denial reaches to the end of its clause: "but", "however",
    "although", a colon or a semicolon end it.

    >>> status_of("No pleural effusion, but a nodule.", ["effusion"]), status_of("No mass, but a nodule.", ["nodule"])
    ('negated', 'affirmed')
    """
    found: set[str] = set()
    term = re.compile(r"\b(?:" + "|".join(re.escape(word.lower()) for word in terms) + r")\b")
    for clause in _CLAUSE.split(sentence.lower()):
        kept = _NOT.sub(lambda match: " " * len(match.group()), clause)
        for mention in term.finditer(clause):
            denied = _BEFORE.search(kept[: mention.start()]) or _AFTER.search(kept[mention.end() :])
            found.add("negated" if denied else "affirmed")
    if not found:
        return None
    return "affirmed" if "affirmed" in found else "negated"
