"""SMILES texts to packed atom and bond codes: torch_geometric's `from_smiles`, without a Python call a feature.

The codes, their order and the order of the edges are those of `torch_geometric.utils.from_smiles`. What is
faster is how they are read. Most atoms are ordinary (uncharged, no radical, no stereo mark, sp2 or sp3), so one
compiled query finds the few that are not and only those are asked for more. Bonds come sorted out of RDKit's
bond-order matrix; only bonds beside an unsaturated atom can be conjugated, so only those are asked. A text with
marks that can make other bonds (brackets may hold a metal) is asked for such bonds, and read bond by bond when
it has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmod_molecule.queries import CHARGE_OFFSET
from crossmod_molecule.queries import chemistry as _chemistry
from crossmod_molecule.structures import UnusableStructure, parse_smiles, silent_rdkit
from crossmod_molecule.vocabulary import ATOM_CATEGORIES, ATOM_COLUMNS, BOND_CATEGORIES

LARGEST_MATRIX = 256
"""Atoms beyond which the square bond-order matrix costs more than reading bond by bond."""

UNORDINARY_BOND_MARKS = frozenset("[$~<>")
"""Without one of these characters a text makes single, double, triple and aromatic bonds only."""

DEGREE, HYDROGENS = ATOM_COLUMNS.index("degree"), ATOM_COLUMNS.index("hydrogens")
UNORDINARY_COLUMNS = tuple(
    ATOM_COLUMNS.index(name) for name in ("chirality", "formal_charge", "radical_electrons", "hybridisation")
)

SP2, SP3 = (ATOM_CATEGORIES["hybridisation"].index(name) for name in ("SP2", "SP3"))
LARGEST_CODE = np.array([len(names) - 1 for names in ATOM_CATEGORIES.values()], np.int64)
SINGLE, DOUBLE, TRIPLE, AROMATIC = (
    BOND_CATEGORIES["type"].index(name) for name in ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
)
TYPE_OF_TWICE_THE_ORDER = np.zeros(7, np.int8)
TYPE_OF_TWICE_THE_ORDER[[2, 3, 4, 6]] = SINGLE, AROMATIC, DOUBLE, TRIPLE


class Block(NamedTuple):
    """Packed codes of several molecules.

    Shape:
        atoms: [all atoms, 9] int8; see `vocabulary.ATOM_COLUMNS`.
        edges: [all edges, 2] int16; source and target atom, counted within their own molecule.
        bonds: [all edges, 3] int8; see `vocabulary.BOND_COLUMNS`.
        atom_counts: [molecules] int32.
        edge_counts: [molecules] int32; both directions counted.
        clamped: Atoms with a charge, degree or count beyond the tables, which took the nearest category.
    """

    atoms: npt.NDArray[np.int8]
    edges: npt.NDArray[np.int16]
    bonds: npt.NDArray[np.int8]
    atom_counts: npt.NDArray[np.int32]
    edge_counts: npt.NDArray[np.int32]
    clamped: int


def featurise(smiles: Sequence[Any]) -> tuple[Block, list[int], list[tuple[int, str]]]:
    """Codes of the usable texts in order, their positions, and position and reason of each unusable one."""
    molecules, accepted, rejected = parse_all(smiles)
    return pack(molecules, [smiles[position] for position in accepted]), accepted, rejected


def parse_all(smiles: Sequence[Any]) -> tuple[list[Any], list[int], list[tuple[int, str]]]:
    """RDKit molecules of the usable texts, their positions, and position and reason of each unusable one."""
    molecules, accepted, rejected = [], [], []
    for position, text in enumerate(smiles):
        try:
            molecules.append(parse_smiles(text))
            accepted.append(position)
        except UnusableStructure as error:
            rejected.append((position, str(error)))
    return molecules, accepted, rejected


def pack(molecules: Sequence[Any], smiles: Sequence[str]) -> Block:
    """Codes of RDKit molecules that were read from `smiles`."""
    if not molecules:
        return empty_block()
    atoms, atom_counts = _atoms(molecules)
    edges, types, edge_counts, read_whole = _edges(molecules, smiles, atom_counts)
    owner = np.repeat(np.arange(len(molecules)), edge_counts)
    source, target = edges + (np.cumsum(atom_counts) - atom_counts)[owner]
    atoms[:, DEGREE] = np.bincount(source, minlength=len(atoms)) + atoms[:, HYDROGENS]
    bonds = np.zeros((len(types), 3), np.int8)
    bonds[:, 0] = types
    asked = _possibly_conjugated(source, target, types, len(atoms))
    asked &= ~np.isin(owner, list(read_whole))
    stereo, conjugated = _ask(molecules, smiles, np.flatnonzero(asked), owner, edges, types)
    reverse = np.argsort(target, kind="stable")
    bonds[:, 1] = stereo | stereo[reverse]
    bonds[:, 2] = conjugated | conjugated[reverse] | (types == AROMATIC)
    first_edge = np.cumsum(edge_counts) - edge_counts
    for index, rows in read_whole.items():
        bonds[first_edge[index] : first_edge[index] + len(rows)] = rows
    clipped = np.clip(atoms, 0, LARGEST_CODE)
    return Block(
        atoms=clipped.astype(np.int8),
        edges=np.ascontiguousarray(edges.T, np.int16),
        bonds=bonds,
        atom_counts=atom_counts.astype(np.int32),
        edge_counts=edge_counts.astype(np.int32),
        clamped=int((clipped != atoms).any(axis=1).sum()),
    )


def empty_block() -> Block:
    """The block of no molecules."""
    none = np.zeros(0, np.int32)
    return Block(np.zeros((0, 9), np.int8), np.zeros((0, 2), np.int16), np.zeros((0, 3), np.int8), none, none, 0)


def _atoms(molecules: Sequence[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All columns but the degree, and the atoms of each molecule."""
    chemistry = _chemistry()
    atom_class = silent_rdkit().Atom
    numbers: list[int] = []
    hydrogens: list[int] = []
    aromatic: list[bool] = []
    in_ring: list[bool] = []
    sp2: list[int] = []
    unordinary: list[int] = []
    codes: list[tuple[int, int, int, int]] = []
    counts = []
    first = 0
    for molecule in molecules:
        counts.append(molecule.GetNumAtoms())
        atoms = list(map(molecule.GetAtomWithIdx, range(counts[-1])))
        numbers += map(atom_class.GetAtomicNum, atoms)
        hydrogens += map(atom_class.GetTotalNumHs, atoms)
        aromatic += map(atom_class.GetIsAromatic, atoms)
        in_ring += map(atom_class.IsInRing, atoms)
        sp2 += [first + i for (i,) in molecule.GetSubstructMatches(chemistry.sp2, chemistry.every_match)]
        for (i,) in molecule.GetSubstructMatches(chemistry.unordinary, chemistry.every_match):
            unordinary.append(first + i)
            codes.append(chemistry.unordinary_codes(atoms[i]))
        first += counts[-1]
    columns = np.zeros((first, 9), np.int64)
    columns[:, 0], columns[:, HYDROGENS], columns[:, 7], columns[:, 8] = numbers, hydrogens, aromatic, in_ring
    columns[:, 3], columns[:, 6] = CHARGE_OFFSET, SP3
    columns[sp2, 6] = SP2
    if unordinary:
        columns[np.array(unordinary)[:, None], UNORDINARY_COLUMNS] = codes
    return columns, np.array(counts, np.int64)


def _edges(
    molecules: Sequence[Any], smiles: Sequence[str], atom_counts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[np.int64], dict[int, npt.NDArray[np.int8]]]:
    """Edges sorted by source and target, their types and counts, and bond codes where every bond was read."""
    adjacency = silent_rdkit().GetAdjacencyMatrix
    read_whole = {}
    keys, orders = [], []
    for index, (molecule, text) in enumerate(zip(molecules, smiles, strict=True)):
        if _needs_every_bond(molecule, text):
            key, read_whole[index] = _every_bond(molecule)
            keys.append(key)
            orders.append(np.ones(len(key)))
        else:
            matrix = adjacency(molecule, True).ravel()
            keys.append(matrix.nonzero()[0])
            orders.append(matrix[keys[-1]])
    counts = np.fromiter(map(len, keys), np.int64, len(keys))
    edges = np.stack(np.divmod(np.concatenate(keys), np.repeat(atom_counts, counts)))
    types = TYPE_OF_TWICE_THE_ORDER[(2 * np.concatenate(orders)).astype(np.int64)]
    return edges, types, counts, read_whole


def _needs_every_bond(molecule: Any, smiles: str) -> bool:
    """Whether the molecule may hold bonds that the bond-order matrix cannot tell apart."""
    if molecule.GetNumAtoms() > LARGEST_MATRIX or "|" in smiles:
        return True
    return bool(UNORDINARY_BOND_MARKS.intersection(smiles)) and molecule.HasSubstructMatch(_chemistry().other_bond)


def _every_bond(molecule: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """Sorted `source * atoms + target` of both directions of every bond, and the bonds' codes."""
    chemistry = _chemistry()
    atoms = molecule.GetNumAtoms()
    keys, rows = [], []
    for bond in molecule.GetBonds():
        begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        keys += [begin * atoms + end, end * atoms + begin]
        code = chemistry.bond_type[bond.GetBondType()], chemistry.stereo[bond.GetStereo()], bond.GetIsConjugated()
        rows += [code, code]
    order = np.argsort(np.array(keys, np.int64))
    return np.array(keys, np.int64)[order], np.array(rows, np.int8).reshape(-1, 3)[order]


def _possibly_conjugated(
    source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], types: npt.NDArray[np.int8], atoms: int
) -> npt.NDArray[np.bool_]:
    """One direction of every bond beside an unsaturated atom; aromatic bonds are conjugated without asking."""
    unsaturated = np.zeros(atoms, np.bool_)
    unsaturated[source[types != SINGLE]] = True
    beside = unsaturated[source] | unsaturated[target]
    asked: npt.NDArray[np.bool_] = beside & (source < target) & (types != AROMATIC)
    return asked


def _ask(
    molecules: Sequence[Any],
    smiles: Sequence[str],
    asked: npt.NDArray[np.int64],
    owner: npt.NDArray[np.int64],
    edges: npt.NDArray[np.int64],
    types: npt.NDArray[np.int8],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Stereo and conjugation of the asked edges, zero elsewhere; only `/` and `\\` make double bonds stereo."""
    table = _chemistry().stereo
    marked = ["/" in text or "\\" in text for text in smiles]
    stereo, conjugated = np.zeros(len(types), np.int8), np.zeros(len(types), np.int8)
    stereo_codes, flags = [], []
    where = zip(owner[asked].tolist(), *edges[:, asked].tolist(), (types[asked] == DOUBLE).tolist(), strict=True)
    for index, begin, end, double in where:
        bond = molecules[index].GetBondBetweenAtoms(begin, end)
        flags.append(bond.GetIsConjugated())
        stereo_codes.append(table[bond.GetStereo()] if double and marked[index] else 0)
    stereo[asked], conjugated[asked] = stereo_codes, flags
    return stereo, conjugated
