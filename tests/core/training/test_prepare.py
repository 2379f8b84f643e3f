from __future__ import annotations

import numpy as np
import pytest
import torch

from crossmod.contracts.corpus import Column, Corpus
from crossmod.errors import UserError
from crossmod.testing.tiny import TinyData
from crossmod.training.prepare import prepare
from crossmod.vectors.processor import VectorProcessor

UNIT = VectorProcessor(np.zeros(2), np.ones(2))


def _points(corpus: Corpus) -> Corpus:
    return Corpus(
        name=corpus.name,
        columns={"point": corpus.columns["point"]},
        ids=corpus.ids,
        group=corpus.group,
        split=corpus.split,
        labels=corpus.labels,
    )


def test_every_row_keeps_its_own_item() -> None:
    corpus = _points(TinyData(points=30).build())
    prepared = prepare(corpus, {"point": UNIT}, workers=0, max_rejected=0)
    rows = torch.tensor([5, 40, 12])
    batch = prepared.batch(rows)
    column = corpus.columns["point"]
    expected = [column.items[column.item[row]] for row in rows.tolist()]
    assert torch.allclose(batch.inputs["point"].values, torch.tensor(expected))
    assert batch.group.tolist() == corpus.group[rows.numpy()].tolist()
    assert torch.equal(batch.sample, rows)


def test_a_rejected_item_takes_its_rows_along_and_nothing_else() -> None:
    corpus = _points(TinyData(points=30, broken=2).build())
    prepared = prepare(corpus, {"point": UNIT}, workers=0, max_rejected=0.1)
    assert [(entry.line, entry.reason) for entry in prepared.rejected] == [
        (1, "a number is not finite"),
        (2, "a number is not finite"),
    ]
    assert len(prepared.corpus) == len(corpus) - 4
    assert prepared.corpus.ids[0] == "point-2"
    assert len(prepared.corpus.labels["upper"].values) == len(prepared.corpus)
    first = prepared.batch(torch.tensor([0])).inputs["point"].values[0]
    assert torch.allclose(first, torch.tensor(corpus.columns["point"].items[2]))


def test_too_many_rejected_items_stop_the_run_with_the_first_line() -> None:
    corpus = _points(TinyData(points=30, broken=2).build())
    with pytest.raises(UserError, match=r"2 of 30 items cannot be used \(6.7%.*line 1 \(point\).*Mend the file"):
        prepare(corpus, {"point": UNIT}, workers=0, max_rejected=0.01)


def test_rows_without_the_modality_stay_absent() -> None:
    corpus = Corpus(
        "partial",
        {"point": Column([(0.1, 0.2)], np.array([-1, 0]))},
        ["x", "y"],
        np.arange(2),
        np.array(["train", "train"]),
    )
    batch = prepare(corpus, {"point": UNIT}, workers=0, max_rejected=0).batch(torch.tensor([0, 1]))
    assert batch.present["point"].tolist() == [False, True]
    assert len(batch.inputs["point"]) == 1


def test_a_corpus_without_the_modality_says_what_it_has() -> None:
    with pytest.raises(UserError, match="has no voice; it has point"):
        prepare(_points(TinyData(points=5).build()), {"voice": UNIT}, workers=0, max_rejected=0)


def test_nothing_usable_says_so() -> None:
    corpus = _points(TinyData(points=3, broken=3).build())
    with pytest.raises(UserError, match="no usable row"):
        prepare(corpus, {"point": UNIT}, workers=0, max_rejected=1)


def test_workers_give_what_one_process_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VectorProcessor, "items_a_chunk", 7)
    monkeypatch.setattr(VectorProcessor, "smallest_for_workers", 1)
    corpus = _points(TinyData(points=40, broken=3).build())
    alone = prepare(corpus, {"point": UNIT}, workers=0, max_rejected=0.2)
    seen: list[int] = []
    together = prepare(
        corpus,
        {"point": UNIT},
        workers=2,
        max_rejected=0.2,
        on_progress=lambda modality, done, total: seen.append(done),
    )
    assert torch.equal(alone.inputs["point"].values, together.inputs["point"].values)
    assert torch.equal(alone.item["point"], together.item["point"])
    assert alone.rejected == together.rejected
    assert seen[-1] == 40 and seen == sorted(seen)


def test_an_item_of_two_groups_is_refused() -> None:
    corpus = Corpus(
        name="askew",
        columns={"point": Column([[0.0, 1.0], [1.0, 0.0]], np.array([0, 1, 0]))},
        ids=["a", "b", "c"],
        group=np.array([0, 1, 2]),
        split=np.array(["train", "train", "train"]),
    )
    with pytest.raises(UserError, match="point of line 1 of corpus askew stands in the groups 0 and 2"):
        prepare(corpus, {"point": UNIT}, workers=0, max_rejected=0)
