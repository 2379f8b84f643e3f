"""Settings of the molecule towers (torch-free): their class names are what a user types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_molecule.processors import FingerprintProcessor, GraphProcessor, MoleculeProcessor


@dataclass(frozen=True, kw_only=True)
class GraphIsomorphism(TowerSettings):
    """A graph isomorphism network that reads bonds (GINE, arXiv:1905.12265), as in MoMu and MolFM.

    Args:
        width: Channels of every layer and of the output (300 in MoMu and MolFM; 256 aligns with hardware).
        depth: Layers, hence bonds that an atom sees far (5 in MoMu and MolFM).
        dropout: Dropout after every layer, a probability (0 in MoMu).
        pooling: How atoms become one vector; "attention" weighs them by a learned gate (arXiv:1511.05493).
        virtual_node: One extra node joined to every atom, so that distant atoms exchange in one layer
            (arXiv:1704.01212).
        norm: "batch" as published; "layer" keeps molecules independent of their batch, which chunked encoding
            needs to equal the whole batch exactly.
        residual: Add each layer's input to its output.
    """

    width: int = 256
    depth: int = 5
    dropout: float = 0.0
    pooling: Literal["attention", "mean", "sum"] = "attention"
    virtual_node: bool = True
    norm: Literal["batch", "layer"] = "batch"
    residual: bool = True

    def __post_init__(self) -> None:
        _require_positive(width=self.width, depth=self.depth)
        _require_share(dropout=self.dropout)

    def fit_processor(self, items: Sequence[Any]) -> GraphProcessor:
        """Make the processor; its tables are fixed, so nothing is learned from the items."""
        from crossmod_molecule.processors import GraphProcessor

        return GraphProcessor()

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> GraphProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The spec's tables are not this version's.
        """
        return self.fit_processor(()).require(spec)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_molecule.encoders.graph import GraphTower

        return GraphTower(self, processor)


@dataclass(frozen=True, kw_only=True)
class MorganFingerprint(TowerSettings):
    """A multilayer perceptron over Morgan count fingerprints (doi:10.1021/ci100050t).

    Args:
        width: Channels of every layer and of the output.
        depth: Layers, the first of which reads the bits.
        radius: Bonds from the centre that a substructure reaches (2 is ECFP4).
        bits: Size that the substructures are hashed to (2048 is RDKit's default).
        chirality: Whether stereocentres tell substructures apart.
        atom_pairs: Further bits for atom pairs and their distances (doi:10.1021/ci00046a002); 0 counts none. (2048
            raised the MRR of held-back ChEBI-20 texts from 0.45 to 0.51.)
        dropout: Dropout after every layer, a probability.
        bit_dropout: Share of set bits that training leaves out of every fingerprint.
    """

    width: int = 256
    depth: int = 2
    radius: int = 2
    bits: int = 2048
    chirality: bool = False
    atom_pairs: int = 0
    dropout: float = 0.1
    bit_dropout: float = 0.1

    def __post_init__(self) -> None:
        _require_positive(width=self.width, depth=self.depth, bits=self.bits)
        _require_share(dropout=self.dropout, bit_dropout=self.bit_dropout)
        if self.radius < 0:
            raise UserError(f"radius is {self.radius}; a fingerprint reaches zero or more bonds.")

    def fit_processor(self, items: Sequence[Any]) -> FingerprintProcessor:
        """Make the processor; the hash is fixed, so nothing is learned from the items."""
        from crossmod_molecule.processors import FingerprintProcessor

        return FingerprintProcessor(self.radius, self.bits, self.chirality, self.atom_pairs)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> FingerprintProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The spec's fingerprint is another one than these settings make.
        """
        return self.fit_processor(()).require(spec)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_molecule.encoders.fingerprint import FingerprintTower

        return FingerprintTower(self, processor)


@dataclass(frozen=True, kw_only=True)
class GraphAndFingerprint(TowerSettings):
    """A graph tower and a fingerprint tower over one parse of every molecule, their outputs combined.

    Args:
        graph: The graph tower.
        fingerprint: The fingerprint tower.
        fusion: "project" maps both outputs, side by side, linearly to `width`; "concat" leaves them side by side.
        width: Channels of the output under "project"; 0 takes the graph tower's.
    """

    graph: GraphIsomorphism = field(default_factory=GraphIsomorphism)
    fingerprint: MorganFingerprint = field(default_factory=MorganFingerprint)
    fusion: Literal["project", "concat"] = "project"
    width: int = 0

    def fit_processor(self, items: Sequence[Any]) -> MoleculeProcessor:
        """Make the processor; nothing is learned from the items."""
        from crossmod_molecule.processors import MoleculeProcessor

        return MoleculeProcessor(self.graph.fit_processor(items), self.fingerprint.fit_processor(items))

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> MoleculeProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The spec's tables or fingerprint are not these.
        """
        return self.fit_processor(()).require(spec)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_molecule.encoders.combined import CombinedTower

        return CombinedTower(self, processor)


def _require_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise UserError(f"{name} is {value}; it must be at least 1.")


def _require_share(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 <= value < 1.0:
            raise UserError(f"{name} is {value}; it is a share and must lie in [0, 1).")
