"""Sentences about a nodule from the terms that radiologists rated it by."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence

ATTRIBUTES = (
    *("texture", "calcification", "sphericity", "margin", "lobulation", "spiculation", "subtlety", "malignancy"),
)
"""What a caption tells of, in its canonical order; internal structure is soft tissue in all nodules but one."""

CLAUSES: Mapping[str, tuple[str, ...]] = {
    "texture": ("{} texture", "texture {}", "{} nodule"),
    "calcification": ("calcification {}", "{} calcification"),
    "sphericity": ("{} shape", "shape {}", "{} in form"),
    "margin": ("{} margin", "margin {}"),
    "lobulation": ("{}", "lobulation: {}"),
    "spiculation": ("{}", "spiculation: {}"),
    "subtlety": ("{}", "{} on the scan", "conspicuity {}"),
    "malignancy": ("malignancy {}", "{} for malignancy", "{} malignancy"),
}
"""Wordings of each attribute around its term, the first of which is canonical."""

BENIGN, MALIGNANT = "benign", "malignant"
TERMS = {
    BENIGN: ("highly unlikely", "moderately unlikely"),
    MALIGNANT: ("moderately suspicious", "highly suspicious"),
}
"""LIDC's terms for malignancy 1 and 2, and for 4 and 5."""

WORDED_MARGIN = {"medium margin": "medium"}


def canonical_caption(terms: Mapping[str, str], diameter_mm: float) -> str:
    """Size and every attribute in one order and wording: nodules of equal captions are told apart by no text.

    >>> canonical_caption({"texture": "Solid", "margin": "Sharp"}, 7.6)
    'nodule of 8 mm, solid texture, sharp margin.'
    """
    clauses = [_clause(name, term, 0) for name, term in _told(terms)]
    return ", ".join([_size(diameter_mm, 0), *clauses]) + "."


def captions(name: str, terms: Mapping[str, str], diameter_mm: float, count: int) -> list[str]:
    """The canonical caption and `count - 1` others that say the same in another order and other words.

    Each is a function of the nodule's name and its number alone.
    """
    found = [canonical_caption(terms, diameter_mm)]
    for number in range(1, count):
        draw = random.Random(hashlib.sha256(f"{name}:{number}".encode()).digest())
        clauses = [_clause(key, term, draw.randrange(len(CLAUSES[key]))) for key, term in _told(terms)]
        clauses.append(_size(diameter_mm, draw.randrange(3)))
        draw.shuffle(clauses)
        found.append(", ".join(clauses) + ".")
    return list(dict.fromkeys(found))


def malignancy_prompts() -> dict[str, tuple[str, ...]]:
    """For benign and malignant, every wording of the terms that mean it."""
    return {
        kind: tuple(f"{wording.format(term)}." for term in terms for wording in CLAUSES["malignancy"])
        for kind, terms in TERMS.items()
    }


def _told(terms: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    return [(name, terms[name]) for name in ATTRIBUTES if name in terms]


def _clause(name: str, term: str, wording: int) -> str:
    said = term.lower()
    return CLAUSES[name][wording].format(WORDED_MARGIN.get(said, said))


def _size(diameter_mm: float, wording: int) -> str:
    return ("nodule of {} mm", "diameter {} mm", "{} mm in diameter")[wording].format(round(diameter_mm))
