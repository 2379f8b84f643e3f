"""The sections of a report: findings, impression and the rest, by their headings."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADINGS: dict[str, tuple[str, ...]] = {
    "clinical information": (
        *("clinical information", "clinical history", "clinical indication", "clinical data", "clinical details"),
        *("indication", "indications", "history", "reason for exam", "reason for examination", "reason for study"),
    ),
    "technique": ("technique", "procedure", "examination", "exam", "protocol", "scan technique"),
    "comparison": ("comparison", "comparisons", "comparison study", "prior studies"),
    "findings": ("findings", "finding", "report", "description", "observations", "result", "results"),
    "impression": (
        *("impression", "impressions", "conclusion", "conclusions", "opinion", "summary", "assessment"),
        *("interpretation", "diagnosis"),
    ),
    "recommendation": ("recommendation", "recommendations", "advice", "follow-up recommendation"),
}
"""The sections that are told apart, and the headings under which reports have them."""

_SECTION_OF = {heading: name for name, headings in HEADINGS.items() for heading in headings}

_WORDS = "|".join(re.escape(heading) for heading in sorted(_SECTION_OF, key=len, reverse=True))

_HEADING = re.compile(
    # Heading and colon at the start of a line or after a sentence; or the heading alone on its line.
    rf"(?:(?<=^)|(?<=\n)|(?<=[.!?;]\s))[ \t*#]*(?P<colon>{_WORDS})[ \t*]*:"
    rf"|^[ \t*#]*(?P<line>{_WORDS})[ \t*]*$",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Section:
    """One section: its canonical name (empty for text before any heading) and its text."""

    name: str
    text: str


def parse_sections(report: str) -> list[Section]:
    """The sections of a report in their order; nothing is lost but headings and blank space.

    A heading counts at the start of a line or after a sentence, with a colon; or alone on its line. Sections of one
    name that occur twice stay two. A report without headings is one section without a name.

    >>> [(part.name, part.text) for part in parse_sections("FINDINGS: A nodule. IMPRESSION: Benign.")]
    [('findings', 'A nodule.'), ('impression', 'Benign.')]
    """
    sections: list[Section] = []
    name, start = "", 0
    for found in _HEADING.finditer(report):
        heading = found["colon"] or found["line"]
        _add(sections, name, report[start : found.start()])
        name, start = _SECTION_OF[heading.lower()], found.end()
    _add(sections, name, report[start:])
    return sections


def section_texts(report: str) -> dict[str, str]:
    """Text by section name; sections of one name are joined by a line break.

    >>> section_texts("Impression: Normal.")
    {'impression': 'Normal.'}
    """
    texts: dict[str, str] = {}
    for section in parse_sections(report):
        texts[section.name] = f"{texts[section.name]}\n{section.text}" if section.name in texts else section.text
    return texts


def _add(sections: list[Section], name: str, text: str) -> None:
    text = text.strip(" \t\r\n*#")
    if text:
        sections.append(Section(name, text))
