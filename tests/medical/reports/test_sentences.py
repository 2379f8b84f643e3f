"""Sentences end where they end, and nowhere inside a number or an abbreviation."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_medical.reports.chunks import chunk_report
from crossmod_medical.reports.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("A nodule of 1.5 cm. No effusion.", ["A nodule of 1.5 cm.", "No effusion."]),
        ("Dr. Smith agrees. Fine.", ["Dr. Smith agrees.", "Fine."]),
        ("Seen on im. 32. Stable.", ["Seen on im. 32.", "Stable."]),
        ("The answer is no. Next.", ["The answer is no.", "Next."]),
        ("1. Normal heart. 2. No effusion.", ["Normal heart.", "No effusion."]),
        ("- one\n- two", ["one", "two"]),
        ("Size is 5. Then", ["Size is 5.", "Then"]),
        ("Dated 03.02.2020. Open.", ["Dated 03.02.2020.", "Open."]),
        ("Emphysema? Yes!", ["Emphysema?", "Yes!"]),
        ("Stable (see e.g. series 3).", ["Stable (see e.g. series 3)."]),
        ("Lines that\nare wrapped stay whole.", ["Lines that are wrapped stay whole."]),
        ("", []),
        (" ... ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text("ab1 .?\n", max_size=60))
def test_no_letter_is_lost(text: str) -> None:
    letters = [c for c in text if c in "ab"]
    assert [c for sentence in split_sentences(text) for c in sentence if c in "ab"] == letters


@given(st.lists(st.sampled_from(["one", "two.", "three", "end."]), max_size=40), st.integers(1, 9))
def test_chunks_hold_every_word_once_and_are_short_enough(words: list[str], longest: int) -> None:
    parts = chunk_report(" ".join(words), longest)
    assert [word for part in parts for word in part.split()] == words
    assert all(0 < len(part.split()) <= longest for part in parts)


def test_a_report_of_600_tokens_is_chunked_at_sentences() -> None:
    report = " ".join(f"Sentence number {number} has seven words here." for number in range(86))
    parts = chunk_report(report, 100)
    assert len(parts) == 7 and all(part.endswith("here.") for part in parts)
    assert chunk_report(report, 0) == [report]
    with pytest.raises(ValueError, match="-1"):
        chunk_report(report, -1)


def test_real_reports_keep_their_words(medical_data: Path) -> None:
    with (medical_data / "ct_rate_reports" / "val.csv").open(encoding="utf-8") as stream:
        reports = [row["report_text"] for row in csv.DictReader(stream)]
    assert len(reports) == 200
    for report in reports:
        kept = "".join(split_sentences(report))
        listed = re.sub(r"(?<![\w.])\d{1,2}\.(?=\s)", "", report)  # the numbers of lists are left out
        assert [c for c in kept if c.isalpha()] == [c for c in listed if c.isalpha()]
