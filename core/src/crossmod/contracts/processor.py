"""A processor: raw items of one modality in, arrays out; its spec is what the tower expects of its input."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from crossmod.errors import UserError

if TYPE_CHECKING:
    from crossmod.contracts.batch import Inputs


@dataclass(frozen=True)
class Processed:
    """What a processor made of a run of items.

    Args:
        arrays: Packed arrays by name, for the accepted items in order.
        accepted: [accepted] int64, positions of the accepted items in what was given.
        rejected: (position, reason) of every item that could not be used.
        counts: Named counts that belong in the run report, such as `"texts longer than 64 tokens"`.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    accepted: npt.NDArray[np.int64]
    rejected: Sequence[tuple[int, str]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


class Processor(ABC):
    """Turns raw items of one modality into the inputs of a tower.

    `process` runs in worker processes and so must not import torch at module level; `inputs` runs in the main
    process. The `spec` is written into checkpoints and model folders, and loading refuses another one.

    Attributes:
        smallest_for_workers: Number of items below which worker processes cost more than they save; the default
            suits processors that take a fraction of a millisecond an item.
        items_a_chunk: Items handed to a worker, and back from it, at a time; large items want fewer.
    """

    smallest_for_workers: int = 8192
    items_a_chunk: int = 512

    @property
    @abstractmethod
    def spec(self) -> Mapping[str, Any]:
        """What the tower expects (units, sizes, vocabulary hash), as JSON values."""

    @abstractmethod
    def process(self, items: Sequence[Any]) -> Processed:
        """Read items into packed arrays; an unusable item is rejected with a reason, never an exception."""

    @abstractmethod
    def inputs(self, parts: Sequence[Processed]) -> Inputs:
        """Concatenate processed parts, in order, into one minibatch or one whole corpus."""

    def files(self) -> Mapping[str, bytes]:
        """Files that a model folder must hold for this processor, such as a tokenizer; by file name."""
        return {}

    def require(self, spec: Mapping[str, Any]) -> Self:
        """This processor, if it makes inputs as the checkpoint's spec says.

        Raises:
            UserError: It does not; the sentence names the first difference.
        """
        own = json.loads(json.dumps(dict(self.spec)))
        for name in sorted(own.keys() | spec.keys()):
            if own.get(name) != spec.get(name):
                raise UserError(
                    f"the checkpoint was trained on inputs with {name} {_short(spec.get(name))}, this tower reads "
                    f"{_short(own.get(name))}; load the checkpoint with the settings it was trained with."
                )
        return self

    def check(self, inputs: Inputs) -> None:  # noqa: B027 - trusting them is what most processors want
        """Refuse prepared inputs that this processor would have made otherwise; without an override, all are trusted.

        Raises:
            UserError: They were made with other settings; the sentence says which.
        """

    def __call__(self, items: Sequence[Any]) -> Inputs:
        """Read a few items at once.

        Raises:
            UserError: An item was rejected; the sentence gives its position and the reason.
        """
        processed = self.process(items)
        if processed.rejected:
            position, reason = processed.rejected[0]
            raise UserError(f"item {position} cannot be used: {reason}")
        return self.inputs([processed])


def _short(value: Any) -> str:
    """A JSON value in a few words."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
