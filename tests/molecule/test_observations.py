"""Corpora from observations: items once, groups by structure and by text, conflicts refused."""

from __future__ import annotations

import numpy as np
import pytest

from crossmod.errors import UserError
from crossmod.sources.groups import groups_of
from crossmod_molecule.observations import Observation, assemble_corpus, listed_texts


def test_items_are_stored_once_and_absent_texts_are_absent() -> None:
    corpus = assemble_corpus(
        "tiny",
        [
            Observation("a", "CCO", 2, "ethanol", 2, "train"),
            Observation("a", "CCO", 2, "alcohol", 3, "train"),
            Observation("b", "C", 4),
        ],
    )
    assert corpus.columns["molecule"].items == ["CCO", "C"]
    assert corpus.columns["molecule"].item.tolist() == [0, 0, 1]
    assert corpus.columns["molecule"].lines == [2, 4]
    assert corpus.columns["text"].items == ["ethanol", "alcohol"]
    assert corpus.columns["text"].item.tolist() == [0, 1, -1]
    assert corpus.split.tolist() == ["train", "train", ""]
    assert corpus.ids == ["a", "a", "b"]


def test_groups_join_one_structure_in_two_spellings_and_one_text_of_two_structures() -> None:
    corpus = assemble_corpus(
        "tiny",
        [
            Observation("a", "CCO", 1, "ethanol"),
            Observation("b", "OCC", 2, "alcohol"),
            Observation("c", "C[C@H](N)O", 3, "left"),
            Observation("d", "C[C@@H](N)O", 4, "right"),
            Observation("e", "CO", 5, "alcohol"),
            Observation("f", "C", 6, ""),
            Observation("g", "N", 7, ""),
        ],
    )
    assert corpus.group.tolist() == [0, 0, 1, 2, 0, 3, 4]


def test_groups_are_the_connected_components() -> None:
    """Against a slow transcription: spread the smallest label along equal structures and texts until it rests."""
    generator = np.random.default_rng(0)
    structures = [f"s{i}" for i in generator.integers(0, 120, 150)]
    texts = [f"t{i}" if i else "" for i in generator.integers(0, 200, 150)]
    labels = list(range(150))
    changed = True
    while changed:
        changed = False
        for i in range(150):
            for j in range(150):
                joined = structures[i] == structures[j] or (texts[i] and texts[i] == texts[j])
                if joined and labels[j] < labels[i]:
                    labels[i], changed = labels[j], True
    found = groups_of(structures, texts)
    same = np.equal.outer(found, found)
    assert (same == np.equal.outer(np.array(labels), np.array(labels))).all()
    assert 5 < len(set(labels)) < 80


def test_an_unreadable_structure_is_rejected_once_with_line_and_reason() -> None:
    corpus = assemble_corpus(
        "tiny",
        [Observation("a", "bad", 7, "x", 7), Observation("a", "bad", 7, "y", 7), Observation("b", "C", 8, "z", 8)],
    )
    assert [(found.modality, found.line, found.item) for found in corpus.rejected] == [("molecule", 7, "bad")]
    assert "cannot read" in corpus.rejected[0].reason
    assert len(corpus) == 1


def test_an_identifier_of_two_structures_is_refused() -> None:
    with pytest.raises(UserError, match="'x' two structures, on lines 2 and 9"):
        assemble_corpus("tiny", [Observation("x", "C", 2, "a"), Observation("x", "N", 9, "b")])
    spelled_twice = [Observation("x", "CCO", 2, "a"), Observation("x", "OCC", 9, "b")]
    assert len(assemble_corpus("tiny", spelled_twice)) == 2


def test_no_usable_molecule_is_an_error_with_the_first_reason() -> None:
    with pytest.raises(UserError, match=r"1 rejected; the first: line 3, RDKit cannot read"):
        assemble_corpus("tiny", [Observation("a", "bad", 3)])


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("one", ["one"]),
        ('["a", "b", "a", " "]', ["a", "b"]),
        ("[not json", ["[not json"]),
        ("", []),
        (None, []),
        (["x", None, "y"], ["x", "y"]),
        ("[1,2]-shift", ["[1,2]-shift"]),
        (4.5, ["4.5"]),
    ],
)
def test_a_cell_may_hold_one_text_or_a_list(cell: object, texts: list[str]) -> None:
    assert listed_texts(cell) == texts
