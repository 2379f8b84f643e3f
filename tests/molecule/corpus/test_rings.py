from __future__ import annotations

import pytest

from crossmod_molecule.corpus.ring_names import RING_NAMES
from crossmod_molecule.corpus.rings import benzene_patterns, ring_systems, system_name
from crossmod_molecule.structures import parse_smiles


def names(smiles: str) -> list[str]:
    molecule = parse_smiles(smiles)
    return sorted(system_name(molecule, system) for system in ring_systems(molecule))


@pytest.mark.parametrize(("name", "smiles"), RING_NAMES)
def test_every_named_structure_is_found_under_its_name(name: str, smiles: str) -> None:
    assert names(smiles)[0].removesuffix(" ring").removesuffix(" skeleton") == name


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("Cn1c(=O)c2c(ncn2C)n(C)c1=O", ["xanthine ring"]),
        ("CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C", ["steroid skeleton"]),
        ("CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O", ["steroid skeleton"]),
        ("CN1CCCC1c1cccnc1", ["pyridine ring", "pyrrolidine ring"]),
        ("OC(=O)c1cn(C2CC2)c2cc(N3CCNCC3)c(F)cc2c1=O", ["cyclopropane ring", "piperazine ring", "quinolin-4-one ring"]),
        ("O=C1CCCCCCCCCCCCCC1", ["15-membered ring"]),
        ("C1CCC2(CC1)CCNCC2", ["bicyclic 6-6 ring system"]),
        ("CCCC", []),
    ],
)
def test_ring_systems_of_known_molecules(smiles: str, expected: list[str]) -> None:
    assert names(smiles) == expected


@pytest.mark.parametrize(
    ("smiles", "pattern"),
    [
        ("c1ccccc1", "unsubstituted"),
        ("Cc1ccccc1", "monosubstituted"),
        ("Cc1ccccc1O", "ortho-disubstituted"),
        ("Cc1cccc(O)c1", "meta-disubstituted"),
        ("Cc1ccc(O)cc1", "para-disubstituted"),
        ("Cc1cccc(O)c1N", "1,2,3-trisubstituted"),
        ("Cc1ccc(O)cc1N", "1,2,4-trisubstituted"),
        ("Cc1cc(O)cc(N)c1", "1,3,5-trisubstituted"),
        ("Cc1cc(O)c(C)cc1N", "tetrasubstituted"),
        ("Cc1c(C)c(C)c(C)c(C)c1", "pentasubstituted"),
        ("Cc1c(C)c(C)c(C)c(C)c1C", "fully substituted"),
    ],
)
def test_substitution_of_benzene(smiles: str, pattern: str) -> None:
    molecule = parse_smiles(smiles)
    assert benzene_patterns(molecule, ring_systems(molecule)) == {f"{pattern} benzene ring": 1}


def test_every_substitution_of_benzene_has_a_name() -> None:
    for places in range(64):
        first, *others = (("(C)" if places >> place & 1 else "") for place in range(6))
        molecule = parse_smiles(f"c1{first}" + "".join(f"c{other}" for other in others[:-1]) + f"c1{others[-1]}")
        assert sum(benzene_patterns(molecule, ring_systems(molecule)).values()) == 1


def test_fused_benzene_has_no_pattern_of_its_own() -> None:
    molecule = parse_smiles("c1ccc2ccccc2c1")
    assert benzene_patterns(molecule, ring_systems(molecule)) == {}
