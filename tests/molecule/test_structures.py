"""Parsing: what is read, and what is refused in which words."""

from __future__ import annotations

import pytest

from crossmod_molecule.structures import LONGEST_SMILES, UnusableStructure, canonical_smiles, parse_smiles


@pytest.mark.parametrize(
    ("smiles", "atoms"),
    [
        ("[Na+]", 1),
        ("*", 1),
        ("[2H]", 1),
        ("C*", 2),
        ("[O-][Cl+3]([O-])([O-])[O-]", 5),
        ("[Co@OH12](N)(N)(N)(N)(N)N", 7),
    ],
)
def test_unusual_molecules_are_read(smiles: str, atoms: int) -> None:
    assert parse_smiles(smiles).GetNumAtoms() == atoms


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("not a molecule", "cannot read"),
        ("C(", "cannot read"),
        ("c1ccccc", "cannot read"),
        ("C(C)(C)(C)(C)C", "valence"),
        ("c1cccc1", "kekulize"),
        ("C\0C", "SMILES is ASCII"),
        ("C" * (LONGEST_SMILES + 1), "10,001 characters"),
        ("(" * 9000, "cannot read"),
        (None, "NoneType"),
        (3.5, "float"),
        (b"CC", "bytes"),
    ],
)
def test_refused_texts_say_why(text: object, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnusableStructure, match=reason):
        parse_smiles(text)
    assert not capfd.readouterr().err  # RDKit's own log stays silent


def test_canonical_smiles_keeps_stereochemistry() -> None:
    assert canonical_smiles("OC(=O)[C@H](C)N") == canonical_smiles("C[C@@H](C(=O)O)N")
    assert canonical_smiles("OC(=O)[C@H](C)N") != canonical_smiles("OC(=O)[C@@H](C)N")
