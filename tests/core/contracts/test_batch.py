from __future__ import annotations

import torch

from crossmod.contracts.batch import Batch
from crossmod.vectors.inputs import VectorInputs


def _batch() -> Batch:
    """Five rows; a is absent from row 1, b from rows 0 and 4."""
    present = {"a": torch.tensor([1, 0, 1, 1, 1]).bool(), "b": torch.tensor([0, 1, 1, 1, 0]).bool()}
    inputs = {
        "a": VectorInputs(torch.tensor([[0.0, 0], [2, 2], [3, 3], [4, 4]])),
        "b": VectorInputs(torch.tensor([[1.0, 1], [2, 2], [3, 3]])),
    }
    return Batch(inputs, present, torch.tensor([10, 11, 12, 12, 14]), torch.arange(5))


def test_common_pairs_the_rows_that_have_both() -> None:
    batch = _batch()
    a, b, group = batch.common("a", "b")
    assert batch.inputs["a"].take(a).values[:, 0].tolist() == [2, 3]
    assert batch.inputs["b"].take(b).values[:, 0].tolist() == [2, 3]
    assert group.tolist() == [12, 12]


def test_split_keeps_every_input_with_its_row() -> None:
    batch = _batch()
    parts = batch.split(2)
    assert [len(part) for part in parts] == [2, 2, 1]
    for modality in ("a", "b"):
        rejoined = torch.cat([part.inputs[modality].values for part in parts])
        assert torch.equal(rejoined, batch.inputs[modality].values)
    for part in parts:
        for modality in ("a", "b"):
            # A row's coordinates are its number, so an input that moved to another row would show.
            assert part.inputs[modality].values[:, 0].tolist() == part.sample[part.present[modality]].tolist()


def test_a_batch_without_common_rows_pairs_nothing() -> None:
    batch = _batch()
    present = {"a": torch.tensor([1, 1, 1, 1, 0]).bool(), "b": torch.tensor([0, 0, 0, 0, 1]).bool()}
    a, b, group = Batch(batch.inputs, present, batch.group, batch.sample).common("a", "b")
    assert len(a) == len(b) == len(group) == 0
