"""Checking, standardising and packing vectors (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError

if TYPE_CHECKING:
    from crossmod.vectors.inputs import VectorInputs

KIND = "vector"


class VectorProcessor(Processor):
    """Turns sequences of numbers into standardised rows: (x - mean) / deviation.

    Args:
        mean: [dimensions] mean of the training items.
        deviation: [dimensions] their standard deviation; 1 where it was 0.
    """

    def __init__(self, mean: npt.NDArray[np.float64], deviation: npt.NDArray[np.float64]) -> None:
        self.mean, self.deviation = mean, deviation

    @classmethod
    def fit(cls, items: Sequence[Any]) -> VectorProcessor:
        """Learn from the items that have the most frequent length and finite numbers only.

        Raises:
            UserError: No item is a sequence of finite numbers.
        """
        vectors = [vector for vector in map(_read, items) if isinstance(vector, np.ndarray)]
        if not vectors:
            raise UserError("none of the training items is a sequence of finite numbers; look at them with data look.")
        lengths, counts = np.unique([len(vector) for vector in vectors], return_counts=True)
        length = int(lengths[counts.argmax()])
        table = np.stack([vector for vector in vectors if len(vector) == length])
        deviation = table.std(0)
        return cls(table.mean(0), np.where(deviation > 0, deviation, 1.0))

    @classmethod
    def load(cls, spec: Mapping[str, Any]) -> VectorProcessor:
        """Restore from a spec.

        Raises:
            UserError: The spec is not one of vectors.
        """
        if spec.get("kind") != KIND:
            raise UserError(f"the spec describes {spec.get('kind')!r}, not vectors; use the recipe that wrote it.")
        return cls(np.array(spec["mean"], dtype=np.float64), np.array(spec["deviation"], dtype=np.float64))

    @property
    def spec(self) -> Mapping[str, Any]:
        """Length, mean and deviation."""
        return {
            "kind": KIND,
            "dimensions": len(self.mean),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    def process(self, items: Sequence[Any]) -> Processed:
        """Standardise; an item of another length or with a number that is not finite is rejected."""
        rows, accepted, rejected = [], [], []
        for place, item in enumerate(items):
            vector = _read(item)
            if isinstance(vector, str):
                rejected.append((place, vector))
            elif len(vector) != len(self.mean):
                rejected.append((place, f"it has {len(vector)} numbers, not {len(self.mean)}"))
            else:
                rows.append(vector)
                accepted.append(place)
        values = (np.array(rows).reshape(-1, len(self.mean)) - self.mean) / self.deviation
        return Processed({"values": values.astype(np.float32)}, np.array(accepted, dtype=np.int64), rejected)

    def inputs(self, parts: Sequence[Processed]) -> VectorInputs:
        """Stack the rows."""
        import torch

        from crossmod.vectors.inputs import VectorInputs

        return VectorInputs(torch.from_numpy(np.concatenate([part.arrays["values"] for part in parts])))


def _read(item: Any) -> npt.NDArray[np.float64] | str:
    """The item as a vector, or why it is none."""
    try:
        vector = np.asarray(item, dtype=np.float64)
    except (TypeError, ValueError):
        return "it is not a sequence of numbers"
    if vector.ndim != 1 or not len(vector):
        return "it is not a sequence of numbers"
    return vector if bool(np.isfinite(vector).all()) else "a number is not finite"
