"""What can be measured on the structure of a molecule alone; the generated texts say nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.Scaffolds import MurckoScaffold

from crossmod_molecule.corpus.groups import functional_groups
from crossmod_molecule.corpus.rings import benzene_patterns, ring_systems, system_name

_PROPERTIES = (
    "amw",
    "CrippenClogP",
    "tpsa",
    "lipinskiHBD",
    "lipinskiHBA",
    "NumRotatableBonds",
    "NumAtomStereoCenters",
    "NumAromaticRings",
    "NumHeterocycles",
    "NumSpiroAtoms",
    "NumBridgeheadAtoms",
)

COMPANIONS = {
    "[Na+]": "sodium ion",
    "[K+]": "potassium ion",
    "[Li+]": "lithium ion",
    "[NH4+]": "ammonium ion",
    "[Ca+2]": "calcium ion",
    "[Mg+2]": "magnesium ion",
    "[Zn+2]": "zinc ion",
    "[F-]": "fluoride ion",
    "[Cl-]": "chloride ion",
    "[Br-]": "bromide ion",
    "[I-]": "iodide ion",
    "Cl": "equivalent of hydrogen chloride",
    "Br": "equivalent of hydrogen bromide",
    "I": "equivalent of hydrogen iodide",
    "O": "water molecule",
    "O=S(=O)(O)O": "equivalent of sulfuric acid",
    "O=[N+]([O-])O": "equivalent of nitric acid",
    "[O-][Cl+3]([O-])([O-])O": "equivalent of perchloric acid",
    "[O-][Cl+3]([O-])([O-])[O-]": "perchlorate ion",
    "F[B-](F)(F)F": "tetrafluoroborate ion",
    "CS(=O)(=O)O": "equivalent of methanesulfonic acid",
    "O=C(O)C(F)(F)F": "equivalent of trifluoroacetic acid",
    "O=C(O)C(=O)O": "equivalent of oxalic acid",
    "O=C(O)C=CC(=O)O": "equivalent of butenedioic acid",
}
"""Small components that salts and solvates are made with; any other is called a further component."""


@dataclass(frozen=True)
class Chemistry:
    """The measured facts of one molecule.

    Args:
        groups: Functional groups and how often each occurs, in the order of seniority.
        rings: Named ring systems and how often each occurs, the commonest first.
        benzene_patterns: Substitution patterns of the benzene rings that stand alone, with counts.
        ring_sizes: The size of every ring of the smallest set, ascending.
        aromatic_rings: Rings that are aromatic throughout.
        heterocycles: Rings with at least one atom other than carbon.
        fused_systems: Ring systems in which two rings share a bond.
        spiro_atoms: Atoms that two rings share and nothing else joins.
        bridgeheads: Atoms at which a bridge across a ring ends.
        formal_charge: Sum over all components, elementary charges.
        zwitterion: The main component carries charges of both signs on atoms that are not neighbours.
        companions: Components besides the largest, by name, with counts.
        molecular_weight: Average molar mass, g/mol.
        logp: Octanol-water partition coefficient by Crippen's atom contributions (doi:10.1021/ci990307l).
        polar_area_square_angstrom: Topological polar surface area (doi:10.1021/jm000942e).
        donors: Hydrogen-bond donors by Lipinski's rule: hydrogen atoms on nitrogen and oxygen.
        acceptors: Hydrogen-bond acceptors by Lipinski's rule: nitrogen and oxygen atoms. RDKit's finer count of
            acceptors changed in 2026.9; this one is the same in every version.
        rotatable_bonds: Single bonds that turn freely, amides left out.
        stereocentres: Tetrahedral stereocentres, assigned or not.
        elements: Heavy atoms by element symbol, in alphabetical order.
        longest_chain: Carbon atoms in the longest chain outside rings.
    """

    groups: tuple[tuple[str, int], ...]
    rings: tuple[tuple[str, int], ...]
    benzene_patterns: tuple[tuple[str, int], ...]
    ring_sizes: tuple[int, ...]
    aromatic_rings: int
    heterocycles: int
    fused_systems: int
    spiro_atoms: int
    bridgeheads: int
    formal_charge: int
    zwitterion: bool
    companions: tuple[tuple[str, int], ...]
    molecular_weight: float
    logp: float
    polar_area_square_angstrom: float
    donors: int
    acceptors: int
    rotatable_bonds: int
    stereocentres: int
    elements: tuple[tuple[str, int], ...]
    longest_chain: int

    @property
    def heavy_atoms(self) -> int:
        """Atoms other than hydrogen, over all components."""
        return sum(count for _, count in self.elements)

    @property
    def fragments(self) -> int:
        """Components that are not bonded to one another."""
        return 1 + sum(count for _, count in self.companions)


# RDKit leaves this function without annotations.
_scaffold_of: Any = MurckoScaffold.GetScaffoldForMol
_CATION, _ANION = Chem.MolFromSmarts("[+]"), Chem.MolFromSmarts("[-]")


@cache
def _calculator() -> Any:
    return rdMolDescriptors.Properties(list(_PROPERTIES))


def longest_carbon_chain(molecule: Any) -> int:
    """Carbon atoms in the longest path through carbon atoms outside rings.

    Example:
        >>> longest_carbon_chain(Chem.MolFromSmiles("CCCCc1ccccc1"))
        4
    """
    chain = {
        atom.GetIdx(): [n.GetIdx() for n in atom.GetNeighbors() if n.GetAtomicNum() == 6 and not n.IsInRing()]
        for atom in molecule.GetAtoms()
        if atom.GetAtomicNum() == 6 and not atom.IsInRing()
    }
    seen: set[int] = set()
    longest = 0
    for start in chain:
        if start not in seen:
            reached = _distances(chain, start)
            seen.update(reached)
            # In a tree the far end of any walk is an end of a longest path.
            far = max(reached, key=lambda atom: reached[atom])
            longest = max(longest, 1 + max(_distances(chain, far).values()))
    return longest


def _distances(neighbours: dict[int, list[int]], start: int) -> dict[int, int]:
    distance = {start: 0}
    front = [start]
    while front:
        here = front.pop()
        for there in neighbours[here]:
            if there not in distance:
                distance[there] = distance[here] + 1
                front.append(there)
    return distance


def murcko_scaffold(molecule: Any) -> str:
    """The ring systems and what links them, as canonical SMILES; empty for a molecule without rings.

    Bemis and Murcko, doi:10.1021/jm9602928.
    """
    return str(Chem.MolToSmiles(_scaffold_of(molecule), isomericSmiles=False))


def measure(molecule: Any) -> Chemistry:
    """Measure a sanitised RDKit molecule.

    Counts of groups that overlap may depend on the order of the atoms, so read the molecule from its canonical
    SMILES where the same numbers have to come out again.

    Example:
        >>> measure(Chem.MolFromSmiles("c1ccc(cc1)[N+](=O)[O-]")).groups
        (('nitro', 1),)
    """
    weight, logp, area, *counts = _calculator().ComputeProperties(molecule)
    donors, acceptors, rotatable, stereocentres, aromatic, hetero, spiro, bridgeheads = map(int, counts)
    systems = ring_systems(molecule)
    named = Counter(system_name(molecule, system) for system in systems)
    main, companions = _components(molecule)
    elements = Counter(atom.GetSymbol() for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1)
    return Chemistry(
        groups=tuple(functional_groups(molecule).items()),
        rings=tuple(sorted(named.items(), key=lambda item: (-item[1], item[0]))),
        benzene_patterns=tuple(benzene_patterns(molecule, systems).items()),
        ring_sizes=tuple(sorted(len(ring) for system in systems for ring in system)),
        aromatic_rings=aromatic,
        heterocycles=hetero,
        fused_systems=sum(_is_fused(system) for system in systems),
        spiro_atoms=spiro,
        bridgeheads=bridgeheads,
        formal_charge=Chem.GetFormalCharge(molecule),
        zwitterion=_is_zwitterion(main),
        companions=companions,
        molecular_weight=weight,
        logp=logp,
        polar_area_square_angstrom=area,
        donors=donors,
        acceptors=acceptors,
        rotatable_bonds=rotatable,
        stereocentres=stereocentres,
        elements=tuple(sorted(elements.items())),
        longest_chain=longest_carbon_chain(molecule),
    )


def _components(molecule: Any) -> tuple[Any, tuple[tuple[str, int], ...]]:
    """The largest component, and the names and counts of the others."""
    fragments = Chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=False)
    if len(fragments) == 1:
        return molecule, ()
    written = [(fragment.GetNumHeavyAtoms(), Chem.MolToSmiles(fragment), fragment) for fragment in fragments]
    main, *others = sorted(written, key=lambda item: (-item[0], item[1]))
    names = Counter(
        "copy of the main component" if smiles == main[1] else COMPANIONS.get(smiles, "further component")
        for _, smiles, _ in others
    )
    return main[2], tuple(sorted(names.items()))


def _is_fused(system: tuple[tuple[int, ...], ...]) -> bool:
    return any(len(set(a) & set(b)) > 1 for a, b in combinations(system, 2))


def _is_zwitterion(molecule: Any) -> bool:
    """Charges of both signs whose atoms are not neighbours, so that a nitro group does not count."""
    if not molecule.HasSubstructMatch(_CATION) or not molecule.HasSubstructMatch(_ANION):
        return False
    signs = set()
    for atom in molecule.GetAtoms():
        charge = atom.GetFormalCharge()
        if charge and all(charge * other.GetFormalCharge() >= 0 for other in atom.GetNeighbors()):
            signs.add(charge > 0)
    return len(signs) == 2
