import pytest
import torch

from crossmod.contracts.batch import Batch, Inputs
from crossmod.text.inputs import TextInputs


@pytest.fixture
def inputs():
    return TextInputs(torch.tensor([1, 2, 3, 4, 5, 6], dtype=torch.int32), torch.tensor([0, 2, 3, 6]))


def test_is_a_modalitys_inputs(inputs):
    assert isinstance(inputs, Inputs)
    assert len(inputs) == 3


def test_padded_reaches_the_longest_text(inputs):
    ids, mask = inputs.padded(padding=9)
    assert ids.tolist() == [[1, 2, 9], [3, 9, 9], [4, 5, 6]]
    assert mask.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert ids.dtype == torch.int64


def test_take_gathers_in_order_and_repeats(inputs):
    taken = inputs.take(torch.tensor([2, 0, 2]))
    assert taken.ids.tolist() == [4, 5, 6, 1, 2, 4, 5, 6]
    assert taken.offsets.tolist() == [0, 3, 5, 8]
    assert taken.ids.dtype == torch.int32


def test_take_of_nothing_pads_to_nothing(inputs):
    none = inputs.take(torch.zeros(0, dtype=torch.int64))
    ids, mask = none.padded()
    assert len(none) == 0
    assert ids.shape == mask.shape == (0, 0)


def test_a_batch_splits_it_by_presence(inputs):
    present = torch.tensor([True, False, True, True])
    batch = Batch({"text": inputs}, {"text": present}, torch.arange(4), torch.arange(4))
    first, second = batch.split(2)
    assert first.inputs["text"].ids.tolist() == [1, 2]
    assert second.inputs["text"].ids.tolist() == [3, 4, 5, 6]
    assert batch.to("cpu").inputs["text"].offsets.tolist() == [0, 2, 3, 6]
