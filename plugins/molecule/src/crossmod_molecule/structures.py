"""The one place that hands a SMILES text to RDKit, and says in words why a text is not a structure.

RDKit is imported when the first structure is read, never when this module is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

LONGEST_SMILES = 10_000
"""Characters beyond which a text is refused unread: the parser's ring search grows faster than the text, and the
largest of ChEBI-20's 33,010 molecules has fewer than 1,000."""


EMPTY = "the SMILES is empty"


class UnusableStructure(ValueError):  # noqa: N818 - it names the text, which is to be set aside
    """A text that describes no usable molecule; the message is the reason that the rejects file gives."""


@cache
def silent_rdkit() -> Any:
    """RDKit's `Chem` module, its log off: the reason of a rejected item goes into the rejects file instead."""
    from rdkit import Chem, rdBase

    rdBase.DisableLog("rdApp.*")
    return Chem


def parse_smiles(smiles: Any) -> Any:
    """The sanitised RDKit molecule of a SMILES text.

    Raises:
        UnusableStructure: The text is empty, too long, not SMILES, chemically impossible, or has no atoms.
    """
    if not isinstance(smiles, str):
        raise UnusableStructure(f"a SMILES text was expected, not {type(smiles).__name__}")
    if len(smiles) > LONGEST_SMILES:
        raise UnusableStructure(f"the SMILES has {len(smiles):,} characters, more than {LONGEST_SMILES:,}")
    if not smiles.isascii() or "\0" in smiles:
        raise UnusableStructure("the SMILES holds a character that no SMILES has (SMILES is ASCII)")
    molecule = silent_rdkit().MolFromSmiles(smiles)
    if molecule is None:
        raise UnusableStructure(_reason(smiles))
    if molecule.GetNumAtoms() == 0:
        raise UnusableStructure(EMPTY if not smiles else "the SMILES has no atoms")
    return molecule


def canonical_smiles(smiles: Any) -> str:
    """The canonical isomeric SMILES: equal texts mean the same structure, stereochemistry included.

    Raises:
        UnusableStructure: As `parse_smiles`.
    """
    return str(silent_rdkit().MolToSmiles(parse_smiles(smiles)))


def _reason(smiles: str) -> str:
    """Which of grammar and chemistry a text that RDKit refuses fails, and where RDKit says so."""
    if not smiles.strip():
        return EMPTY
    chem = silent_rdkit()
    molecule = chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None:
        return "RDKit cannot read it as SMILES"
    try:
        chem.SanitizeMol(molecule)
    except ValueError as error:
        return f"chemically impossible: {str(error).strip()}"
    return "RDKit reads the SMILES but cannot assign its stereochemistry"
