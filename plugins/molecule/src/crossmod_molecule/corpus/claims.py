"""The statements that may be made of a molecule: each true of it, each small enough for a phrase.

Texts are assembled from claims, so what a text says can be checked against any molecule without reading English.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossmod_molecule.corpus.chemistry import Chemistry

BANDS = {
    "small": "molecular weight below 200 g/mol",
    "large": "molecular weight of 500 g/mol or more",
    "strongly lipophilic": "logP of 5 or more",
    "lipophilic": "logP from 3 to 5",
    "hydrophilic": "logP below 0",
    "polar": "polar surface area of 120 square angstrom or more",
    "rigid": "no rotatable bond",
    "flexible": "8 rotatable bonds or more",
}
"""The adjectives of the texts and the thresholds that they stand for."""


@dataclass(frozen=True)
class Claim:
    """One statement: its kind, what it is about, and the number that it gives.

    Kinds: "group", "ring", "pattern", "element", "companion" count the subject; "absent" denies a group;
    "measure" gives the rounded number; "adjective" has none.
    """

    kind: str
    subject: str
    number: float = 1


def structure_claims(chemistry: Chemistry) -> list[Claim]:
    """Rings, substitution patterns and functional groups, with counts."""
    return [
        *(Claim("ring", name, count) for name, count in chemistry.rings),
        *(Claim("pattern", name, count) for name, count in chemistry.benzene_patterns),
        *(Claim("group", name, count) for name, count in chemistry.groups),
    ]


def component_claims(chemistry: Chemistry) -> list[Claim]:
    """Counter-ions, solvent and other components besides the main one."""
    return [Claim("companion", name, count) for name, count in chemistry.companions]


def element_claims(chemistry: Chemistry) -> list[Claim]:
    """How many atoms of each element, hydrogen left out."""
    return [Claim("element", symbol, count) for symbol, count in chemistry.elements]


def measure_claims(chemistry: Chemistry) -> list[Claim]:
    """Rounded numbers: weight to 10 g/mol, logP to 0.5, surface to 5 square angstrom; counts as they are."""
    claims = [
        Claim("measure", "weight", _nearest(chemistry.molecular_weight, 10)),
        Claim("measure", "logp", _nearest(chemistry.logp, 0.5)),
        Claim("measure", "area", _nearest(chemistry.polar_area_square_angstrom, 5)),
        Claim("measure", "donors", chemistry.donors),
        Claim("measure", "acceptors", chemistry.acceptors),
        Claim("measure", "rotatable", chemistry.rotatable_bonds),
        Claim("measure", "stereocentres", chemistry.stereocentres),
        Claim("measure", "heavy", chemistry.heavy_atoms),
        Claim("measure", "rings", len(chemistry.ring_sizes)),
        Claim("measure", "aromatic", chemistry.aromatic_rings),
    ]
    occasional = {
        "fused": chemistry.fused_systems,
        "spiro": chemistry.spiro_atoms,
        "bridgeheads": chemistry.bridgeheads,
        "charge": chemistry.formal_charge,
        "chain": chemistry.longest_chain if chemistry.longest_chain >= 3 else 0,
    }
    return claims + [Claim("measure", subject, number) for subject, number in occasional.items() if number]


def adjective_claims(chemistry: Chemistry) -> list[Claim]:
    """The adjectives that hold, by `BANDS` and by the structure, in the order that English gives them: size first."""
    logp, weight = chemistry.logp, chemistry.molecular_weight
    ring_count = len(chemistry.ring_sizes)
    holds = {
        "small": weight < 200,
        "large": weight >= 500,
        "strongly lipophilic": logp >= 5,
        "lipophilic": 3 <= logp < 5,
        "hydrophilic": logp < 0,
        "polar": chemistry.polar_area_square_angstrom >= 120,
        "rigid": chemistry.rotatable_bonds == 0,
        "flexible": chemistry.rotatable_bonds >= 8,
        "aromatic": chemistry.aromatic_rings > 0,
        "acyclic": ring_count == 0,
        "alicyclic": ring_count > 0 and chemistry.aromatic_rings == chemistry.heterocycles == 0,
        "heterocyclic": chemistry.heterocycles > 0,
        "zwitterionic": chemistry.zwitterion,
        "multi-component": bool(chemistry.companions),
    }
    return [Claim("adjective", word) for word, true in holds.items() if true]


def absent(name: str) -> Claim:
    """The claim that the functional group does not occur."""
    return Claim("absent", name, 0)


def holds(claim: Claim, chemistry: Chemistry) -> bool:
    """Whether the claim is true of the molecule."""
    if claim.kind == "absent":
        return all(name != claim.subject for name, _ in chemistry.groups)
    families = {
        "adjective": adjective_claims,
        "measure": measure_claims,
        "element": element_claims,
        "companion": component_claims,
    }
    return claim in families.get(claim.kind, structure_claims)(chemistry)


def _nearest(value: float, step: float) -> float:
    return round(value / step) * step
