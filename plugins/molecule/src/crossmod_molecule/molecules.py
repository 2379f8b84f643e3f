"""Graphs and fingerprints of the same molecules, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod_molecule.fingerprints import FingerprintInputs
from crossmod_molecule.graphs import GraphInputs


@dataclass(frozen=True)
class MoleculeInputs:
    """Two views of the same molecules, in the same order."""

    graph: GraphInputs
    fingerprint: FingerprintInputs

    def __len__(self) -> int:
        return len(self.graph)

    def take(self, index: Int64[Tensor, "samples"]) -> MoleculeInputs:
        """The molecules at `index`, in that order; an index may repeat."""
        return MoleculeInputs(self.graph.take(index), self.fingerprint.take(index))

    def to(self, device: torch.device | str) -> MoleculeInputs:
        """The same molecules on another device."""
        return MoleculeInputs(self.graph.to(device), self.fingerprint.to(device))
