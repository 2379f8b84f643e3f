"""Statements of findings to which of them are present (torch-free until `inputs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmod.contracts.processor import Processed, Processor
from crossmod.text.fingerprint import require_kind
from crossmod.text.readable import readable_texts
from crossmod_medical.findings.statements import UnknownFinding, present

if TYPE_CHECKING:
    from crossmod_medical.findings.tower import FindingInputs

KIND = "finding set"


class FindingProcessor(Processor):
    """Statements such as "Lung nodule; Emphysema" to zeros and ones.

    Args:
        names: The findings that are known, in order.
    """

    smallest_for_workers = 1 << 20

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    @classmethod
    def load(cls, spec: Mapping[str, Any]) -> FindingProcessor:
        """Restore the processor that a spec describes.

        Raises:
            UserError: The spec is of another kind.
        """
        require_kind(spec, KIND, "findings")
        return cls(spec["findings"])

    @property
    def spec(self) -> Mapping[str, Any]:
        """The findings."""
        return {"kind": KIND, "findings": list(self.names)}

    def process(self, items: Sequence[Any]) -> Processed:
        """Read statements; one that names an unknown finding is rejected."""
        readable = readable_texts(items)
        rejected, accepted, rows = list(readable.rejected), [], []
        for position, text in zip(readable.positions, readable.texts, strict=True):
            try:
                rows.append(present(text, self.names))
            except UnknownFinding as reason:
                rejected.append((position, str(reason)))
                continue
            accepted.append(position)
        held = np.stack(rows) if rows else np.zeros((0, len(self.names)), bool)
        return Processed({"present": held}, np.asarray(accepted, np.int64), sorted(rejected))

    def inputs(self, parts: Sequence[Processed]) -> FindingInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod_medical.findings.tower import FindingInputs

        return FindingInputs(torch.from_numpy(np.concatenate([part.arrays["present"] for part in parts])))
