"""Count fingerprints of RDKit molecules (Morgan, and atom pairs beside it), as the few bits that are set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_COUNT = 255
"""A substructure that occurs more often counts as this many; log1p makes the difference immaterial."""

LONGEST_PAIR = 30
"""Bonds between two atoms beyond which a pair is not counted (RDKit's default)."""


@cache
def _generator(radius: int, bits: int, chirality: bool) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits, includeChirality=chirality)


@cache
def _pair_generator(bits: int) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=LONGEST_PAIR, fpSize=bits, countSimulation=False)


def bit_counts(
    molecules: Sequence[Any], radius: int, bits: int, chirality: bool, atom_pairs: int = 0
) -> dict[str, npt.NDArray[np.integer[Any]]]:
    """The set bits of every molecule and how often each occurs.

    Morgan substructures (Rogers and Hahn 2010, doi:10.1021/ci100050t) come first; atom pairs with their distance
    (Carhart 1985, doi:10.1021/ci00046a002), which tell lengths and sizes that a radius cannot see, follow from
    position `bits` on.

    Shape:
        bits: [all set bits] int32; ascending within a molecule.
        bit_values: [all set bits] uint8; occurrences, at most 255.
        bit_counts: [molecules] int32; set bits of each molecule.
    """
    generator = _generator(radius, bits, chirality)
    positions: list[int] = []
    occurrences: list[int] = []
    sizes = []
    for molecule in molecules:
        found = generator.GetCountFingerprint(molecule).GetNonzeroElements()
        positions += found
        occurrences += found.values()
        size = len(found)
        if atom_pairs:
            pairs = _pair_generator(atom_pairs).GetCountFingerprint(molecule).GetNonzeroElements()
            positions += [bits + place for place in pairs]
            occurrences += pairs.values()
            size += len(pairs)
        sizes.append(size)
    return {
        "bits": np.array(positions, np.int32),
        "bit_values": np.minimum(np.array(occurrences, np.int64), LARGEST_COUNT).astype(np.uint8),
        "bit_counts": np.array(sizes, np.int32),
    }
