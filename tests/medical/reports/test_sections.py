"""Sections of reports: found by their headings however they are written, and no word lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_medical.reports.sections import HEADINGS, parse_sections, section_texts


@pytest.mark.parametrize(
    "report",
    [
        "FINDINGS: A nodule.\nIMPRESSION: Benign.",
        "Findings: A nodule. Impression: Benign.",
        "FINDINGS\nA nodule.\n\nIMPRESSION\nBenign.",
        "**Findings:** A nodule.\n**Conclusion:** Benign.",
        "findings :\n  A nodule.\nOpinion: Benign.",
    ],
)
def test_headings_in_any_dress(report: str) -> None:
    assert section_texts(report) == {"findings": "A nodule.", "impression": "Benign."}


def test_text_before_any_heading_has_no_name_and_order_is_kept() -> None:
    found = parse_sections("CT chest.\nHistory: cough.\nTechnique: helical.\nReport: Clear.\nImpression: Normal.")
    assert [part.name for part in found] == ["", "clinical information", "technique", "findings", "impression"]


def test_a_word_inside_a_sentence_is_no_heading() -> None:
    report = "The findings are unchanged; my impression remains. Comparison with the prior study shows no change."
    assert [part.name for part in parse_sections(report)] == [""]


def test_a_report_without_headings_is_whole_and_an_empty_one_nothing() -> None:
    assert section_texts("Lungs are clear.") == {"": "Lungs are clear."}
    assert parse_sections(" \n ") == [] and parse_sections("FINDINGS:\nIMPRESSION:") == []


def test_sections_that_occur_twice_are_joined() -> None:
    assert section_texts("Findings: One. Findings: Two.") == {"findings": "One.\nTwo."}


_HEADINGS = [heading for headings in HEADINGS.values() for heading in headings]


@given(st.lists(st.tuples(st.sampled_from(_HEADINGS), st.text("abc .\n", max_size=20)), max_size=6))
def test_no_word_is_lost(parts: list[tuple[str, str]]) -> None:
    report = "\n".join(f"{heading.upper()}: {text}" for heading, text in parts)
    words = [word for _, text in parts for word in re.findall("[abc]+", text)]
    kept = [word for part in parse_sections(report) for word in re.findall("[abc]+", part.text)]
    assert kept == words
