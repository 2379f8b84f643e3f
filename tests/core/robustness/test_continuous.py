from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from crossmod.errors import UserError
from crossmod.robustness.continuous import Continuous, require_finite_values, values_of, with_values
from crossmod.text.inputs import TextInputs
from crossmod.vectors.inputs import VectorInputs


@dataclass(frozen=True)
class Spectrograms:
    values: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Tensor) -> Spectrograms:
        return Spectrograms(self.values[index], self.lengths[index])

    def to(self, device: torch.device | str) -> Spectrograms:
        return Spectrograms(self.values.to(device), self.lengths.to(device))


class Counted(Spectrograms):
    """Inputs that derive something from their content, and so have to be told of a change."""

    def with_values(self, values: Tensor, /) -> Counted:
        return Counted(values, self.lengths + 1)


def test_a_field_of_values_is_replaced_and_the_rest_kept():
    inputs = Spectrograms(torch.zeros(3, 4, 5), torch.tensor([5, 4, 2]))
    changed = with_values(inputs, torch.ones(3, 4, 5))
    assert isinstance(changed, Spectrograms) and torch.equal(changed.lengths, inputs.lengths)
    assert float(changed.values.min()) == 1.0 and float(inputs.values.max()) == 0.0


def test_vectors_are_continuous_inputs():
    inputs = VectorInputs(torch.zeros(3, 4))
    assert values_of(inputs, "point") is inputs.values
    assert torch.equal(with_values(inputs, torch.ones(3, 4)).values, torch.ones(3, 4))


def test_their_own_method_is_asked_first():
    inputs = Counted(torch.zeros(1, 2, 2), torch.tensor([2]))
    assert isinstance(inputs, Continuous)
    assert with_values(inputs, torch.ones(1, 2, 2)).lengths.tolist() == [3]


def test_text_is_refused_by_name():
    text = TextInputs(torch.tensor([1, 2], dtype=torch.int32), torch.tensor([0, 2]))
    with pytest.raises(UserError, match="text is made of TextInputs, which hold no continuous values"):
        values_of(text, "text")


def test_packed_and_integer_values_are_refused():
    packed = Spectrograms(torch.zeros(7, 2), torch.tensor([3, 4]))
    object.__setattr__(packed, "__class__", type("Packed", (Spectrograms,), {"__len__": lambda self: 2}))
    with pytest.raises(UserError, match="have shape \\[7, 2\\] for 2 samples"):
        values_of(packed, "sound")
    with pytest.raises(UserError, match="no continuous values"):
        values_of(Spectrograms(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2)), "sound")


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(UserError, match="the samples hold 1 NaN or infinite"):
        require_finite_values(torch.tensor([0.0, float("nan")]), "the samples")
