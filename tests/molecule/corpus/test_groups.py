from __future__ import annotations

import pytest

from crossmod_molecule.corpus import groups
from crossmod_molecule.corpus.groups import GROUP_NAMES, GROUPS, functional_groups
from crossmod_molecule.corpus.sources import rdkit_folder, read_shipped
from crossmod_molecule.structures import UnusableStructure, canonical_smiles, parse_smiles

KNOWN = {
    "aspirin": ("CC(=O)Oc1ccccc1C(=O)O", {"carboxylic acid": 1, "ester": 1}),
    "caffeine": ("Cn1c(=O)c2c(ncn2C)n(C)c1=O", {"urea": 1, "lactam": 1}),
    "cholesterol": (
        "CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C",
        {"secondary alcohol": 1, "alkene": 1, "isopropyl": 1},
    ),
    "glycine zwitterion": ("[NH3+]CC(=O)[O-]", {"carboxylate": 1, "protonated amine": 1}),
    "sodium acetate": ("CC(=O)[O-].[Na+]", {"carboxylate": 1}),
    "nitrobenzene": ("O=[N+]([O-])c1ccccc1", {"nitro": 1}),
    "benzylpenicillin": (
        "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O",
        {"carboxylic acid": 1, "lactam": 1, "secondary amide": 1, "aliphatic thioether": 1},
    ),
    "sulfadiazine": ("Nc1ccc(cc1)S(=O)(=O)Nc1ncccn1", {"sulfonamide": 1, "primary aromatic amine": 1}),
    "glucose": ("OCC1OC(O)C(O)C(O)C1O", {"hemiacetal": 1, "primary alcohol": 1, "secondary alcohol": 3}),
    "anthraquinone": ("O=C1c2ccccc2C(=O)c2ccccc21", {"quinone": 1}),
    "coumarin": ("O=c1ccc2ccccc2o1", {"lactone": 1}),
    "phthalimide": ("O=C1NC(=O)c2ccccc21", {"imide": 1}),
    "metformin": ("CN(C)C(=N)NC(=N)N", {"biguanide": 1}),
    "dimethyl sulfoxide": ("CS(C)=O", {"sulfoxide": 1}),
    "parathion": ("CCOP(=S)(OCC)Oc1ccc(cc1)[N+](=O)[O-]", {"phosphorothioate": 1, "nitro": 1}),
    "phenylboronic acid": ("c1ccccc1B(O)O", {"boronic acid": 1}),
    "chlorambucil": (
        "OC(=O)CCCc1ccc(cc1)N(CCCl)CCCl",
        {"carboxylic acid": 1, "tertiary aromatic amine": 1, "alkyl chloride": 2},
    ),
    "acetic anhydride": ("CC(=O)OC(C)=O", {"acid anhydride": 1}),
    "propylene oxide": ("CC1CO1", {"epoxide": 1}),
    "azobenzene": ("c1ccc(cc1)N=Nc1ccccc1", {"azo": 1}),
    "anisole": ("COc1ccccc1", {"methoxy": 1}),
    "urethane": ("CCOC(N)=O", {"carbamate": 1}),
    "benzaldehyde": ("O=Cc1ccccc1", {"aldehyde": 1}),
    "acetone": ("CC(C)=O", {"ketone": 1}),
    "benzonitrile": ("N#Cc1ccccc1", {"nitrile": 1}),
    "hexane": ("CCCCCC", {}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_molecules_have_their_groups_and_no_other(name: str) -> None:
    smiles, expected = KNOWN[name]
    assert functional_groups(parse_smiles(smiles)) == expected


def test_names_are_unique_and_every_pattern_owns_atoms() -> None:
    assert len(set(GROUP_NAMES)) == len(GROUP_NAMES)
    for group in GROUPS:
        assert any(atom.GetAtomMapNum() for atom in group.pattern.GetAtoms()), group.name


def test_screening_by_elements_and_bonds_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = read_shipped(rdkit_folder())
    molecules = []
    for item in found[::23]:
        try:
            molecules.append(parse_smiles(item.smiles))
        except UnusableStructure:
            continue
    screened = [functional_groups(molecule) for molecule in molecules]
    needed = {need for group in GROUPS for need in group.needs}
    monkeypatch.setattr(groups, "_elements_and_bonds", lambda molecule: needed)
    assert len(molecules) > 700
    assert [functional_groups(molecule) for molecule in molecules] == screened


def test_spelling_of_the_structure_does_not_matter_once_canonical() -> None:
    for smiles in ("OC(=O)c1ccccc1OC(C)=O", "CC(=O)Oc1ccccc1C(=O)O", "C1=CC=CC(C(O)=O)=C1OC(=O)C"):
        assert functional_groups(parse_smiles(canonical_smiles(smiles))) == {"carboxylic acid": 1, "ester": 1}
