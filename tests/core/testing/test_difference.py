"""The first difference between two values, wherever it hides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from crossmod.contracts.processor import Processed
from crossmod.testing.difference import difference
from crossmod.vectors.inputs import VectorInputs
from crossmod.vectors.processor import VectorProcessor


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        (1, 2, "value: 1 and 2"),
        (1, 1.0, "value: a int and a float"),
        ([1, 2], [1, 2, 3], "value: 2 and 3 entries"),
        ({"x": 1}, {"y": 1}, "value: keys ['x'] and ['y']"),
        ({"x": [(1, "a")]}, {"x": [(1, "b")]}, "value.x[0][1]: 'a' and 'b'"),
        (np.zeros(2), np.zeros(3), "value: float64 [2] and float64 [3]"),
        (np.zeros(2), np.zeros(2, np.float32), "value: float64 [2] and float32 [2]"),
        (torch.tensor([[1, 2]]), torch.tensor([[1, 3]]), "value[0, 1]: 2 and 3"),
        (np.array([0.0, np.nan]), np.array([0.0, 1.0]), "value[1]: nan and 1.0"),
        (VectorInputs(torch.zeros(1, 2)), VectorInputs(torch.zeros(2, 2)), "value.values: float32 [1, 2] and"),
        (
            Processed({"v": np.zeros(1)}, np.zeros(1, np.int64)),
            Processed({"v": np.zeros(1)}, np.zeros(1, np.int64), [(0, "a")]),
            "value.rejected: a tuple and a list",
        ),
    ],
)
def test_says_where(a: Any, b: Any, sentence: str) -> None:
    found = difference(a, b)
    assert found is not None and found.startswith(sentence)


def test_looks_into_plain_objects() -> None:
    items = [(1.0, 2.0), (3.0, 5.0)]
    same, other = VectorProcessor.fit(items), VectorProcessor.fit([*items, (0.0, 0.0)])
    assert difference(VectorProcessor.fit(items), same) is None
    assert str(difference(other, same)).startswith("value.mean[0]: ")


def test_not_a_number_is_the_same_as_itself() -> None:
    value = {"a": np.array([np.nan, 1.0]), "b": [float("nan"), None], "c": torch.tensor(float("nan")), "d": "text"}
    again = {"a": np.array([np.nan, 1.0]), "b": [float("nan"), None], "c": torch.tensor(float("nan")), "d": "text"}
    assert difference(value, again) is None
