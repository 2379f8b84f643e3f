"""Morgan count fingerprints of RDKit molecules, as the few bits that are set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_COUNT = 255
"""A substructure that occurs more often counts as this many; log1p makes the difference immaterial."""


@cache
def _generator(radius: int, bits: int, chirality: bool) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits, includeChirality=chirality)


def morgan_counts(
    molecules: Sequence[Any], radius: int, bits: int, chirality: bool
) -> dict[str, npt.NDArray[np.integer[Any]]]:
    """The set bits of every molecule and how often each occurs (Rogers and Hahn 2010, doi:10.1021/ci100050t).

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
        sizes.append(len(found))
    return {
        "bits": np.array(positions, np.int32),
        "bit_values": np.minimum(np.array(occurrences, np.int64), LARGEST_COUNT).astype(np.uint8),
        "bit_counts": np.array(sizes, np.int32),
    }
