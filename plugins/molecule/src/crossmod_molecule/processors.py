"""What reads SMILES for the towers: graphs, fingerprints, or both from one parse (torch-free until `inputs`)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmod.contracts.processor import Processed, Processor
from crossmod_molecule.bit_counts import bit_counts
from crossmod_molecule.featuriser import pack, parse_all
from crossmod_molecule.structures import LONGEST_SMILES
from crossmod_molecule.vocabulary import ATOM_CATEGORIES, BOND_CATEGORIES, vocabulary_hash

if TYPE_CHECKING:
    from crossmod_molecule.fingerprints import FingerprintInputs
    from crossmod_molecule.graphs import GraphInputs
    from crossmod_molecule.molecules import MoleculeInputs

BLOCK = 512
"""Molecules parsed at once: bounds the memory that RDKit's objects take, and is long enough for numpy."""


class StructureProcessor(Processor):
    """Reads SMILES texts block by block."""

    @abstractmethod
    def _encode(self, molecules: Sequence[Any], smiles: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
        """Packed arrays and report counts of parsed molecules."""

    def process(self, items: Sequence[Any]) -> Processed:
        """Read SMILES into packed arrays; a text that is no molecule is rejected with a reason."""
        arrays: list[dict[str, Any]] = []
        counts: dict[str, int] = {}
        accepted: list[int] = []
        rejected: list[tuple[int, str]] = []
        for start in range(0, max(len(items), 1), BLOCK):
            block = items[start : start + BLOCK]
            molecules, usable, unusable = parse_all(block)
            encoded, counted = self._encode(molecules, [block[position] for position in usable])
            arrays.append(encoded)
            accepted += [start + position for position in usable]
            rejected += [(start + position, reason) for position, reason in unusable]
            for name, count in counted.items():
                counts[name] = counts.get(name, 0) + count
        return Processed(
            arrays={name: np.concatenate([part[name] for part in arrays]) for name in arrays[0]},
            accepted=np.array(accepted, np.int64),
            rejected=rejected,
            counts=counts,
        )


@dataclass(frozen=True)
class GraphProcessor(StructureProcessor):
    """SMILES to molecular graphs."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The tables of atom and bond categories, their hash, and the longest text that is read."""
        return {
            "kind": "molecular graph",
            "longest_smiles": LONGEST_SMILES,
            "vocabulary_hash": vocabulary_hash(),
            "atom_categories": {name: list(table) for name, table in ATOM_CATEGORIES.items()},
            "bond_categories": {name: list(table) for name, table in BOND_CATEGORIES.items()},
        }

    def _encode(self, molecules: Sequence[Any], smiles: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
        arrays = pack(molecules, smiles)._asdict()
        clamped = arrays.pop("clamped")
        return arrays, {"atoms beyond the tables, given the nearest category": clamped}

    def inputs(self, parts: Sequence[Processed]) -> GraphInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        from crossmod_molecule.graphs import GraphInputs

        return GraphInputs.from_arrays([part.arrays for part in parts])


@dataclass(frozen=True)
class FingerprintProcessor(StructureProcessor):
    """SMILES to Morgan count fingerprints.

    Args:
        radius: Bonds from the centre that a substructure reaches.
        bits: Size that the substructures are hashed to.
        chirality: Whether stereocentres tell substructures apart.
        atom_pairs: Further bits that atom pairs with their distance are hashed to; 0 counts none.
    """

    radius: int
    bits: int
    chirality: bool
    atom_pairs: int = 0

    @property
    def spec(self) -> Mapping[str, Any]:
        """Radius, sizes and chirality of the fingerprint, and the longest text that is read."""
        return {
            "kind": "morgan count fingerprint",
            "longest_smiles": LONGEST_SMILES,
            "radius": self.radius,
            "bits": self.bits,
            "chirality": self.chirality,
            "atom_pairs": self.atom_pairs,
        }

    def _encode(self, molecules: Sequence[Any], smiles: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
        return dict(bit_counts(molecules, self.radius, self.bits, self.chirality, self.atom_pairs)), {}

    @property
    def size(self) -> int:
        """Bits of the whole fingerprint."""
        return self.bits + self.atom_pairs

    def inputs(self, parts: Sequence[Processed]) -> FingerprintInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        from crossmod_molecule.fingerprints import FingerprintInputs

        return FingerprintInputs.from_arrays([part.arrays for part in parts], self.size)


@dataclass(frozen=True)
class MoleculeProcessor(StructureProcessor):
    """SMILES to graph and fingerprint; every text is parsed once."""

    graph: GraphProcessor
    fingerprint: FingerprintProcessor

    @property
    def spec(self) -> Mapping[str, Any]:
        """The specs of both parts."""
        return {
            "kind": "molecular graph and morgan count fingerprint",
            "graph": dict(self.graph.spec),
            "fingerprint": dict(self.fingerprint.spec),
        }

    def _encode(self, molecules: Sequence[Any], smiles: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
        arrays, counts = self.graph._encode(molecules, smiles)
        bits, counted = self.fingerprint._encode(molecules, smiles)
        return arrays | bits, counts | counted

    def inputs(self, parts: Sequence[Processed]) -> MoleculeInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        from crossmod_molecule.molecules import MoleculeInputs

        return MoleculeInputs(self.graph.inputs(parts), self.fingerprint.inputs(parts))
