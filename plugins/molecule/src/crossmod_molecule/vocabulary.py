"""The categories of atoms and bonds: named tables, in torch_geometric's order, and their hash (no RDKit needed).

A graph tower learns one embedding a category, so a checkpoint is only as good as the tables that its codes came
from. The tables stand here by name, the processor writes their hash into its spec, and loading compares it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

ATOM_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "atomic_number": tuple(str(number) for number in range(119)),
    "chirality": (
        "CHI_UNSPECIFIED",
        "CHI_TETRAHEDRAL_CW",
        "CHI_TETRAHEDRAL_CCW",
        "CHI_OTHER",
        "CHI_TETRAHEDRAL",
        "CHI_ALLENE",
        "CHI_SQUAREPLANAR",
        "CHI_TRIGONALBIPYRAMIDAL",
        "CHI_OCTAHEDRAL",
    ),
    "degree": tuple(str(number) for number in range(11)),
    "formal_charge": tuple(str(charge) for charge in range(-5, 7)),
    "hydrogens": tuple(str(number) for number in range(9)),
    "radical_electrons": tuple(str(number) for number in range(5)),
    "hybridisation": ("UNSPECIFIED", "S", "SP", "SP2", "SP3", "SP3D", "SP3D2", "OTHER"),
    "aromatic": ("no", "yes"),
    "in_ring": ("no", "yes"),
}
"""Columns of an atom's codes; `degree` counts implicit hydrogens, atomic number 0 is the wildcard `*`."""

BOND_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "type": (
        "UNSPECIFIED",
        "SINGLE",
        "DOUBLE",
        "TRIPLE",
        "QUADRUPLE",
        "QUINTUPLE",
        "HEXTUPLE",
        "ONEANDAHALF",
        "TWOANDAHALF",
        "THREEANDAHALF",
        "FOURANDAHALF",
        "FIVEANDAHALF",
        "AROMATIC",
        "IONIC",
        "HYDROGEN",
        "THREECENTER",
        "DATIVEONE",
        "DATIVE",
        "DATIVEL",
        "DATIVER",
        "OTHER",
        "ZERO",
    ),
    "stereo": ("STEREONONE", "STEREOANY", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS"),
    "conjugated": ("no", "yes"),
}
"""Columns of a bond's codes."""

ATOM_COLUMNS = tuple(ATOM_CATEGORIES)
BOND_COLUMNS = tuple(BOND_CATEGORIES)
ATOM_SIZES = tuple(len(names) for names in ATOM_CATEGORIES.values())
BOND_SIZES = tuple(len(names) for names in BOND_CATEGORIES.values())


def vocabulary_hash() -> str:
    """The SHA-256 of both tables, shortened to 16 hexadecimal digits: equal hashes mean equal codes."""
    tables = json.dumps([ATOM_CATEGORIES, BOND_CATEGORIES], separators=(",", ":"))
    return hashlib.sha256(tables.encode()).hexdigest()[:16]
