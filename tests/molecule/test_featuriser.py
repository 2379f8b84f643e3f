"""The featuriser: exactly torch_geometric's codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from rdkit import Chem
from torch_geometric.utils import from_smiles
from torch_geometric.utils.smiles import e_map, x_map

from crossmod_molecule import vocabulary
from crossmod_molecule.featuriser import Block, featurise, pack


def molecules_of(block: Block) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Atoms, edges and bonds of each molecule."""
    atoms = np.split(block.atoms, np.cumsum(block.atom_counts)[:-1])
    edges = np.split(block.edges, np.cumsum(block.edge_counts)[:-1])
    bonds = np.split(block.bonds, np.cumsum(block.edge_counts)[:-1])
    return list(zip(atoms, edges, bonds, strict=True))


def assert_equals_from_smiles(smiles: Sequence[str]) -> None:
    block, accepted, rejected = featurise(smiles)
    assert accepted == list(range(len(smiles)))
    assert not rejected
    for text, (atoms, edges, bonds) in zip(smiles, molecules_of(block), strict=True):
        expected = from_smiles(text)
        np.testing.assert_array_equal(atoms, expected.x.numpy(), err_msg=text)
        np.testing.assert_array_equal(edges.T, expected.edge_index.numpy(), err_msg=text)
        np.testing.assert_array_equal(bonds, expected.edge_attr.numpy(), err_msg=text)


def test_two_thousand_molecules_equal_from_smiles(cancer_institute: list[str]) -> None:
    assert len(cancer_institute) == 2000
    assert_equals_from_smiles(cancer_institute)


def test_awkward_molecules_equal_from_smiles(awkward: list[str]) -> None:
    assert_equals_from_smiles(awkward)


def test_the_awkward_molecules_are_awkward(awkward: list[str]) -> None:
    """Each branch of the featuriser is met: otherwise the equality above would say little."""
    block, _, _ = featurise(awkward)
    codes = {name: set(block.atoms[:, i].tolist()) for i, name in enumerate(vocabulary.ATOM_COLUMNS)}
    assert {0, 1, 2} < codes["chirality"]
    assert {4, 5, 6} < codes["formal_charge"]
    assert {0, 1} <= codes["radical_electrons"]
    assert len(codes["hybridisation"]) >= 6
    types = {vocabulary.BOND_CATEGORIES["type"][code] for code in block.bonds[:, 0].tolist()}
    assert {"SINGLE", "DOUBLE", "TRIPLE", "AROMATIC", "DATIVE", "QUADRUPLE"} <= types
    assert len(set(block.bonds[:, 1].tolist())) >= 3
    assert block.atom_counts.max() > 256


def test_atom_order_follows_the_text_and_edges_are_sorted() -> None:
    block, _, _ = featurise(["OCC"])
    assert block.atoms[:, 0].tolist() == [8, 6, 6]
    assert block.edges.tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]


def test_every_subset_gives_the_same_codes(awkward: list[str]) -> None:
    """Packing a molecule alone or among others changes nothing."""
    together = molecules_of(featurise(awkward)[0])
    for text, expected in zip(awkward, together, strict=True):
        for part, alone in zip(expected, molecules_of(featurise([text])[0])[0], strict=True):
            np.testing.assert_array_equal(part, alone, err_msg=text)


def test_unusable_texts_keep_their_position_and_the_rest_their_order() -> None:
    block, accepted, rejected = featurise(["C", "nonsense", "CC", ""])
    assert accepted == [0, 2]
    assert [position for position, _ in rejected] == [1, 3]
    assert block.atom_counts.tolist() == [1, 2]


def test_nothing_readable_gives_an_empty_block() -> None:
    block, accepted, _ = featurise(["", "?"])
    assert accepted == []
    assert block.atoms.shape == (0, 9)
    assert block.edges.shape == (0, 2)
    assert block.bonds.shape == (0, 3)


def test_a_charge_beyond_the_table_takes_the_nearest_code_and_is_counted() -> None:
    block, _, _ = featurise(["[W+9]", "[C-7]", "C"])
    charges = [vocabulary.ATOM_CATEGORIES["formal_charge"][code] for code in block.atoms[:, 3].tolist()]
    assert charges == ["6", "-5", "0"]
    assert block.clamped == 2


def test_a_hybridisation_that_torch_geometric_cannot_name_is_other() -> None:
    """Its `from_smiles` raises on the sp2d platinum of a square planar complex."""
    block, accepted, _ = featurise(["C[Pt@SP1](F)(Cl)[H]"])
    assert accepted == [0]
    names = [vocabulary.ATOM_CATEGORIES["hybridisation"][code] for code in block.atoms[:, 6].tolist()]
    assert names[1] == "OTHER"


def test_a_chirality_without_a_table_entry_is_other() -> None:
    molecule = Chem.MolFromSmiles("CC")
    molecule.GetAtomWithIdx(0).SetChiralTag(Chem.ChiralType.CHI_OTHER)
    assert pack([molecule], ["CC"]).atoms[0, 1] == vocabulary.ATOM_CATEGORIES["chirality"].index("CHI_OTHER")


def test_tables_are_those_of_torch_geometric() -> None:
    ours = [list(table) for table in vocabulary.ATOM_CATEGORIES.values()]
    theirs = [
        ["no", "yes"] if values == [False, True] else [str(value) for value in values] for values in x_map.values()
    ]
    assert ours == theirs
    assert list(vocabulary.BOND_CATEGORIES["type"]) == e_map["bond_type"]
    assert list(vocabulary.BOND_CATEGORIES["stereo"]) == e_map["stereo"]


def test_the_hash_sees_every_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = vocabulary.vocabulary_hash()
    changed = dict(vocabulary.BOND_CATEGORIES) | {"stereo": vocabulary.BOND_CATEGORIES["stereo"][::-1]}
    monkeypatch.setattr(vocabulary, "BOND_CATEGORIES", changed)
    assert vocabulary.vocabulary_hash() != before
