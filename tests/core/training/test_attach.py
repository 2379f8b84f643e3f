"""Further items of rows on their way into a batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crossmod.contracts.corpus import Attached, Column, Corpus
from crossmod.errors import UserError
from crossmod.testing.tiny import TinyData
from crossmod.training.prepare import Prepared, prepare
from crossmod.vectors.processor import VectorProcessor


def _corpus(**changed: object) -> Corpus:
    """Four rows of one number each; the items 4 to 7 are held by none, and the third row's and item 5 are broken."""
    items = [(0.0,), (1.0,), (float("nan"),), (3.0,), (10.0,), (float("nan"),), (12.0,), (13.0,)]
    row, item = np.array([3, 0, 2, 3, 0, 1]), np.array([4, 6, 7, 0, 5, 4])
    fields = {"modality": "point", "row": row, "item": item, "place": np.array([5, 0, 9, 2, 1, 3])} | changed
    return Corpus(
        name="numbers",
        columns={"point": Column(items, np.arange(4))},
        ids=list("abcd"),
        group=np.arange(4),
        split=np.array(["train", "train", "train", "test"]),
        attached={"further": Attached(**fields)},
    )


def _prepared(corpus: Corpus) -> Prepared:
    return prepare(corpus, {"point": VectorProcessor.fit([(0.0,), (1.0,)])}, workers=0, max_rejected=1.0)


def test_rows_keep_what_is_attached_to_them_in_its_order() -> None:
    prepared = _prepared(_corpus())
    # Row 2 is gone with its broken item; item 5 is broken, which leaves its row in place.
    assert [row.tolist() for row in (prepared.corpus.attached["further"].row, prepared.group)] == [
        [2, 0, 2, 1],
        [0, 1, 3],
    ]
    batch = prepared.batch(torch.tensor([2, 1, 2, 0]))
    found = batch.attached["further"]
    values = prepared.inputs["point"].values.flatten().tolist()
    number = dict(zip(values, (0, 1, 3, 10, 12, 13), strict=True))
    assert found.row.tolist() == [0, 0, 1, 2, 2, 3]
    assert [number[value] for value in found.inputs.values.flatten().tolist()] == [10, 0, 10, 10, 0, 12]
    assert found.place.tolist() == [5, 2, 3, 5, 2, 0]
    parts = batch.to("cpu").split(3)
    assert [part.attached["further"].row.tolist() for part in parts] == [[0, 0, 1, 2, 2], [0]]
    assert parts[1].attached["further"].place.tolist() == [0]


def test_without_places_they_speak_of_the_whole_and_untowered_modalities_are_left_out() -> None:
    assert _prepared(_corpus(place=None)).batch(torch.tensor([0])).attached["further"].place.tolist() == [-1]
    corpus = _corpus()
    other = replace(corpus, columns={**corpus.columns, "text": Column(["a"], np.full(4, -1))})
    both = replace(other, attached={**corpus.attached, "words": Attached("text", np.array([0]), np.array([0]))})
    assert set(_prepared(both).batch(torch.tensor([0])).attached) == {"further"}


def test_a_vocabulary_is_learned_on_what_training_rows_have_attached() -> None:
    corpus = TinyData(points=20, sentences=1, events=True).build()
    training = set(corpus.training_items("text"))
    for number, split in enumerate(corpus.split):
        told = corpus.columns["text"].items[number]
        opening, _, tail = told.partition(" the ")
        across, upwards, label = tail.split(", ")
        assert (f"{opening} the {upwards}, {across}, {label}" in training) is (split == "train")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"modality": "sound"}, "items of 'sound', but it has point"),
        ({"place": np.zeros(2)}, "one place an item or none"),
        ({"row": np.zeros(2, dtype=np.int64)}, "6 items to 2 rows"),
        ({"row": np.array([0, 0, 0, 0, 0, 4])}, "attaches row 4 as 'further', but it has 4"),
        ({"item": np.array([0, 0, 0, 0, -1, 4])}, "attaches item -1 as 'further', but it has 8"),
    ],
)
def test_what_points_nowhere_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _prepared(_corpus(**changed))
