"""Ranks count against the model in every doubt, and the sheet shows what it found."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_report import Exhibit, html_retrieval_sheet, retrieval_sheet

SCORE = st.sampled_from([0.0, 0.1, 0.5, 0.9, math.nan, -math.inf])


def exhibits(count: int, kind: str) -> list[Exhibit]:
    return [Exhibit(caption=f"{kind} {index}") for index in range(count)]


def sheet_of(similarity, truth, nearest=5):
    items = len(similarity[0])
    return retrieval_sheet(
        exhibits(len(similarity), "query"), exhibits(items, "item"), similarity, truth, title="t", nearest=nearest
    )


def test_a_perfect_model_has_rank_1_and_a_reversed_one_the_last():
    perfect = sheet_of([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [{0}, {1}, {2}])
    assert [answer.truth_rank for answer in perfect.answers] == [1, 1, 1]
    assert sheet_of([[0, 1, 2]], [{0}]).answers[0].truth_rank == 3


@pytest.mark.parametrize("score", [0.5, math.nan])
def test_a_collapsed_model_is_last_and_not_first(score):
    answer = sheet_of([[score] * 4], [{0}]).answers[0]
    assert answer.truth_rank == 4
    assert [found.correct for found in answer.nearest] == [False, False, False, True]


def test_other_true_items_do_not_push_the_best_one_down():
    answer = sheet_of([[0.9, 0.8, 0.7, 0.1]], [{1, 0}]).answers[0]
    assert answer.truth_rank == 1
    assert answer.truth.caption == "item 0"
    assert [found.correct for found in answer.nearest] == [True, True, False, False]


@given(st.lists(SCORE, min_size=1, max_size=7), st.data())
def test_the_rank_is_where_the_first_true_item_stands_among_the_false(row, data):
    right = data.draw(st.sets(st.integers(0, len(row) - 1), min_size=1))
    answer = sheet_of([row], [right], nearest=len(row)).answers[0]
    before = 0
    for found in answer.nearest:
        if found.correct:
            break
        before += 1
    assert answer.truth_rank == before + 1
    scores = [-math.inf if math.isnan(found.score) else found.score for found in answer.nearest]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("similarity", "truth", "message"),
    [
        ([[1, 2]], [set()], "query 0"),
        ([[1, 2]], [{2}], "query 0"),
        ([[1, 2]], [{-1}], "query 0"),
        ([[1, 2]], [{0}, {1}], "2 truths"),
        ([[1, 2], [1]], [{0}, {0}], "query 1 has 1 scores"),
    ],
)
def test_sizes_that_disagree_are_refused(similarity, truth, message):
    with pytest.raises(ValueError, match=message):
        sheet_of(similarity, truth)


def test_the_page_marks_the_right_item_in_place_and_says_when_it_is_not_shown():
    sheet = sheet_of([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1]], [{1}, {2}], nearest=2)
    root = ElementTree.fromstring(html_retrieval_sheet(sheet))
    first, second = [node for node in root.iter("div") if node.get("class") == "answer"]
    assert [item.get("class") for item in first.iter("li")] == [None, "correct"]
    assert [item.get("class") for item in second.iter("li")] == [None, None]
    texts = ["".join(node.itertext()) for node in root.iter("p")]
    assert "rank of the truth: 2 of 3" in texts
    assert "rank of the truth: 3 of 3, not shown here" in texts
    assert "0 of these 2 queries find the true item first, among 3 items." in texts


def test_no_queries_say_so():
    assert "no queries yet" in html_retrieval_sheet(retrieval_sheet([], [], [], [], title="t"))
