"""Which texts a report gives: the whole, its sections, or parts of a length that a tower takes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from crossmod_medical.reports.chunks import chunk_report
from crossmod_medical.reports.sections import section_texts


def report_texts(report: str, *, sections: Sequence[str] = (), each: bool = False, longest_words: int = 0) -> list[str]:
    """The texts of one report, the fullest first.

    Args:
        report: The report.
        sections: Sections that are kept, by canonical name; empty keeps the whole report. A report without any of
            them is kept whole.
        each: Also each kept section as a text of its own.
        longest_words: Texts beyond so many words become several; 0 leaves them.
    """
    parts = section_texts(report)
    kept = [parts[name] for name in sections if name in parts] if sections else list(parts.values())
    whole = report.strip() if not sections or not kept else "\n".join(kept)
    texts = [whole, *kept] if each and len(kept) > 1 else [whole]
    return [part for text in texts for part in chunk_report(text, longest_words)]


def same_text(text: str) -> str:
    """What two texts have in common that say the same: NFKC, case folded, single blanks, no full stop at the end.

    >>> same_text("CHEST  CT.")
    'chest ct'
    """
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return " ".join(words).rstrip(".").rstrip()
