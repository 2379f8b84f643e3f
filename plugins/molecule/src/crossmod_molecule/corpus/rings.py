"""Ring systems of a molecule: fused, spiro and bridged rings taken together, named where chemistry has a name.

A system is looked up three times: with the oxygen and sulfur doubly bound to it (quinolin-4-one), without them
(quinoline), and as its bare skeleton with every bond single (a "quinoline-type skeleton", partly saturated).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from rdkit import Chem

from crossmod_molecule.corpus.ring_names import RING_NAMES

BENZENE_PATTERNS = {
    (): "unsubstituted benzene ring",
    (0,): "monosubstituted benzene ring",
    (0, 1): "ortho-disubstituted benzene ring",
    (0, 2): "meta-disubstituted benzene ring",
    (0, 3): "para-disubstituted benzene ring",
    (0, 1, 2): "1,2,3-trisubstituted benzene ring",
    (0, 1, 3): "1,2,4-trisubstituted benzene ring",
    (0, 2, 4): "1,3,5-trisubstituted benzene ring",
    (0, 1, 2, 3): "tetrasubstituted benzene ring",
    (0, 1, 2, 4): "tetrasubstituted benzene ring",
    (0, 1, 3, 4): "tetrasubstituted benzene ring",
    (0, 1, 2, 3, 4): "pentasubstituted benzene ring",
    (0, 1, 2, 3, 4, 5): "fully substituted benzene ring",
}
"""Positions that carry something, in the lowest numbering, to the name of the pattern."""


def ring_systems(molecule: Any) -> list[tuple[tuple[int, ...], ...]]:
    """The rings (as atom indices), gathered into systems that share at least one atom."""
    systems: list[list[tuple[int, ...]]] = []
    for ring in molecule.GetRingInfo().AtomRings():
        joined = [system for system in systems if any(not set(ring).isdisjoint(other) for other in system)]
        merged = [ring]
        for system in joined:
            merged.extend(system)
        systems = [system for system in systems if system not in joined]
        systems.append(merged)
    return [tuple(sorted(system)) for system in systems]


# Atomic number and aromaticity of each atom, then the bonds between them: all that a name depends on.
_Drawing = tuple[tuple[tuple[int, bool], ...], tuple[tuple[int, int, Any], ...]]


def _drawing(molecule: Any, atoms: Iterable[int]) -> _Drawing:
    """The atoms alone: no hydrogens, charges or substituents."""
    place = {index: position for position, index in enumerate(sorted(atoms))}
    sources = [molecule.GetAtomWithIdx(index) for index in place]
    drawn = []
    for index, source in zip(place, sources, strict=True):
        for bond in source.GetBonds():
            other = bond.GetOtherAtomIdx(index)
            if index < other and other in place:
                drawn.append((place[index], place[other], bond.GetBondType()))
    return tuple((source.GetAtomicNum(), source.GetIsAromatic()) for source in sources), tuple(drawn)


@cache
def _key(drawing: _Drawing, *, skeleton: bool = False) -> str:
    """The canonical text of a drawing; of its skeleton, every bond is single."""
    drawn = Chem.RWMol()
    atoms, bonds = drawing
    for number, aromatic in atoms:
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        atom.SetIsAromatic(aromatic and not skeleton)
        drawn.AddAtom(atom)
    for a, b, kind in bonds:
        drawn.AddBond(a, b, Chem.BondType.SINGLE if skeleton else kind)
    return str(Chem.MolToSmiles(drawn))


def _doubly_bound(molecule: Any, atoms: set[int]) -> set[int]:
    """Oxygen and sulfur outside the ring system that are doubly bound to a carbon of it."""
    found = set()
    for index in atoms:
        atom = molecule.GetAtomWithIdx(index)
        if atom.GetSymbol() != "C":
            continue
        for bond in atom.GetBonds():
            other = bond.GetOtherAtom(atom)
            outside = other.GetIdx() not in atoms and other.GetSymbol() in ("O", "S")
            if outside and bond.GetBondType() == Chem.BondType.DOUBLE:
                found.add(other.GetIdx())
    return found


@cache
def _names() -> tuple[dict[str, str], dict[str, str]]:
    """Keys of the named systems, and keys of their skeletons where the named one is aromatic or a steroid."""
    full: dict[str, str] = {}
    skeletons: dict[str, str] = {}
    for name, smiles in RING_NAMES:
        molecule = Chem.MolFromSmiles(smiles)
        rings = {index for ring in molecule.GetRingInfo().AtomRings() for index in ring}
        outside = _doubly_bound(molecule, rings)
        full.setdefault(_key(_drawing(molecule, rings | outside)), name)
        if not outside:
            skeletons.setdefault(_key(_drawing(molecule, rings), skeleton=True), name)
    return full, skeletons


def system_name(molecule: Any, system: tuple[tuple[int, ...], ...]) -> str:
    """What the system is called; an unnamed one is described by its number of rings and their sizes."""
    atoms = {index for ring in system for index in ring}
    full, skeletons = _names()
    outside = _doubly_bound(molecule, atoms)
    for chosen in (atoms | outside, atoms) if outside else (atoms,):
        if name := full.get(_key(_drawing(molecule, chosen))):
            return f"{name} skeleton" if name in ("steroid", "estrane", "morphinan") else f"{name} ring"
    if name := skeletons.get(_key(_drawing(molecule, atoms), skeleton=True)):
        return f"{name} skeleton" if name in ("steroid", "estrane") else f"{name}-type skeleton"
    sizes = "-".join(str(len(ring)) for ring in sorted(system, key=len))
    if len(system) == 1:
        return f"{sizes}-membered ring"
    counted = {2: "bicyclic", 3: "tricyclic", 4: "tetracyclic", 5: "pentacyclic"}.get(len(system), "polycyclic")
    return f"{counted} {sizes} ring system" if len(system) <= 5 else "polycyclic ring system"


def benzene_patterns(molecule: Any, systems: list[tuple[tuple[int, ...], ...]]) -> dict[str, int]:
    """How the benzene rings that stand alone are substituted: ortho, meta, para and so on, with counts."""
    counts: Counter[str] = Counter()
    for system in systems:
        if len(system) != 1 or len(system[0]) != 6:
            continue
        atoms = [molecule.GetAtomWithIdx(index) for index in system[0]]
        if not all(atom.GetIsAromatic() and atom.GetSymbol() == "C" for atom in atoms):
            continue
        taken = [place for place, atom in enumerate(atoms) if atom.GetDegree() > 2]
        turned = [sorted((way * place - start) % 6 for place in taken) for start in range(6) for way in (1, -1)]
        counts[BENZENE_PATTERNS[tuple(min(turned))]] += 1
    return dict(sorted(counts.items()))
