"""Compiled RDKit queries and code tables of the featuriser, made once a process."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from crossmod_molecule.structures import silent_rdkit
from crossmod_molecule.vocabulary import ATOM_CATEGORIES, BOND_CATEGORIES

CHARGE_OFFSET = -int(ATOM_CATEGORIES["formal_charge"][0])


class Chemistry(NamedTuple):
    """RDKit's values index the tables as they are: its enumerations are integers.

    Args:
        unordinary: Query of an atom with a stereo mark, a charge, radical electrons, or neither sp2 nor sp3.
        sp2: Query of an sp2 atom.
        other_bond: Query of a bond that is not single, double, triple or aromatic.
        every_match: Parameters under which a query returns each of its matches, however many.
        chirality: Code of every chirality; "CHI_OTHER" stands for what the table lacks.
        hybridisation: Code of every hybridisation; "OTHER" stands for what the table lacks.
        bond_type: Code of every bond type; "OTHER" stands for what the table lacks.
        stereo: Code of every double-bond stereo; "STEREOANY" stands for what the table lacks.
    """

    unordinary: Any
    sp2: Any
    other_bond: Any
    every_match: Any
    chirality: tuple[int, ...]
    hybridisation: tuple[int, ...]
    bond_type: tuple[int, ...]
    stereo: tuple[int, ...]

    def unordinary_codes(self, atom: Any) -> tuple[int, int, int, int]:
        """Codes of chirality, formal charge, radical electrons and hybridisation, before clamping."""
        return (
            self.chirality[atom.GetChiralTag()],
            atom.GetFormalCharge() + CHARGE_OFFSET,
            atom.GetNumRadicalElectrons(),
            self.hybridisation[atom.GetHybridization()],
        )


@cache
def chemistry() -> Chemistry:
    """The queries and tables of this process."""
    chem = silent_rdkit()
    every_match = chem.SubstructMatchParameters()
    every_match.uniquify = False
    every_match.maxMatches = 2**31 - 1
    return Chemistry(
        unordinary=_unordinary_atom(),
        sp2=chem.MolFromSmarts("[^2]"),
        other_bond=chem.MolFromSmarts("*!-&!=&!#&!:*"),
        every_match=every_match,
        chirality=_table(chem.ChiralType, ATOM_CATEGORIES["chirality"], "CHI_OTHER"),
        hybridisation=_table(chem.HybridizationType, ATOM_CATEGORIES["hybridisation"], "OTHER"),
        bond_type=_table(chem.BondType, BOND_CATEGORIES["type"], "OTHER"),
        stereo=_table(chem.BondStereo, BOND_CATEGORIES["stereo"], "STEREOANY"),
    )


def _unordinary_atom() -> Any:
    from rdkit.Chem import rdqueries

    chem = silent_rdkit()
    either = chem.CompositeQueryType.COMPOSITE_OR
    neither = rdqueries.HybridizationEqualsQueryAtom(chem.HybridizationType.SP3, True)
    neither.ExpandQuery(rdqueries.HybridizationEqualsQueryAtom(chem.HybridizationType.SP2, True))
    atom = rdqueries.HasChiralTagQueryAtom()
    atom.ExpandQuery(rdqueries.FormalChargeGreaterQueryAtom(0), either)
    atom.ExpandQuery(rdqueries.FormalChargeLessQueryAtom(0), either)
    atom.ExpandQuery(rdqueries.NumRadicalElectronsGreaterQueryAtom(0), either)
    atom.ExpandQuery(neither, either)
    query = chem.RWMol()
    query.AddAtom(atom)
    return query.GetMol()


def _table(enumeration: Any, names: tuple[str, ...], unknown: str) -> tuple[int, ...]:
    """Codes by the integer value of RDKit's enumeration."""
    codes = [names.index(unknown)] * (max(int(value) for value in enumeration.values) + 1)
    for value in enumeration.values.values():
        if str(value) in names:
            codes[int(value)] = names.index(str(value))
    return tuple(codes)
