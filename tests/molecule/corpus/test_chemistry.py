from __future__ import annotations

import dataclasses

import pytest

from crossmod_molecule.corpus.chemistry import Chemistry, longest_carbon_chain, measure, murcko_scaffold
from crossmod_molecule.structures import UnusableStructure, parse_smiles


def of(smiles: str) -> Chemistry:
    return measure(parse_smiles(smiles))


def test_aspirin() -> None:
    aspirin = of("CC(=O)Oc1ccccc1C(=O)O")
    assert aspirin.molecular_weight == pytest.approx(180.159, abs=0.01)
    assert aspirin.polar_area_square_angstrom == pytest.approx(63.6, abs=0.01)
    assert aspirin.elements == (("C", 9), ("O", 4))
    assert (aspirin.donors, aspirin.acceptors) == (1, 4)
    assert (aspirin.heavy_atoms, aspirin.ring_sizes) == (13, (6,))
    assert (aspirin.aromatic_rings, aspirin.heterocycles, aspirin.formal_charge) == (1, 0, 0)
    assert aspirin.benzene_patterns == (("ortho-disubstituted benzene ring", 1),)


def test_cholesterol_has_eight_stereocentres_and_four_fused_rings() -> None:
    cholesterol = of("CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C")
    assert (cholesterol.stereocentres, cholesterol.fused_systems) == (8, 1)
    assert cholesterol.ring_sizes == (5, 6, 6, 6)
    assert cholesterol.longest_chain == 7
    assert cholesterol.logp > 5


def test_salts_name_their_companions() -> None:
    acetate = of("CC(=O)[O-].[Na+]")
    assert acetate.companions == (("sodium ion", 1),)
    assert (acetate.formal_charge, acetate.fragments, acetate.zwitterion) == (0, 2, False)
    assert of("NCCN.Cl.Cl").companions == (("equivalent of hydrogen chloride", 2),)
    assert of("CCO.CCO").companions == (("copy of the main component", 1),)


def test_zwitterions_are_not_nitro_groups() -> None:
    assert of("[NH3+]CC(=O)[O-]").zwitterion
    assert not of("NCC(=O)O").zwitterion
    assert not of("O=[N+]([O-])c1ccccc1").zwitterion


def test_spiro_and_bridged_rings() -> None:
    assert (of("C1CCC2(CC1)CCNCC2").spiro_atoms, of("C1CCC2(CC1)CCNCC2").fused_systems) == (1, 0)
    assert (of("C1CC2CCC1C2").bridgeheads, of("C1CC2CCC1C2").fused_systems) == (2, 1)


@pytest.mark.parametrize(("smiles", "length"), [("C", 1), ("CC(C)CC", 4), ("CCCc1ccccc1C", 3), ("CCOCCC", 3), ("O", 0)])
def test_longest_chain_passes_through_carbon_outside_rings_only(smiles: str, length: int) -> None:
    assert longest_carbon_chain(parse_smiles(smiles)) == length


def test_scaffold_keeps_rings_and_linkers() -> None:
    assert murcko_scaffold(parse_smiles("Cc1ccccc1CCc1ccncc1")) == murcko_scaffold(parse_smiles("c1ccccc1CCc1ccncc1"))
    assert murcko_scaffold(parse_smiles("CCCCO")) == ""


def test_facts_are_frozen_and_hashable() -> None:
    water = of("O")
    assert hash(water) == hash(of("O"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        water.donors = 3


@pytest.mark.parametrize("hostile", ["", "not a molecule", "C(C)(C)(C)(C)C", "C" * 20_000, "C\0C"])
def test_hostile_text_is_refused_before_it_is_measured(hostile: str) -> None:
    with pytest.raises(UnusableStructure):
        of(hostile)


@pytest.mark.parametrize("odd", ["[U]", "*C", "[2H]C", "[Fe+2].[Cl-].[Cl-]", "C1=CC=CC=CC=CC=CC=CC=CC=C1", "C" * 900])
def test_odd_molecules_are_measured(odd: str) -> None:
    assert of(odd).heavy_atoms >= 1
