"""The graph tower: symmetry, independence, masking, and every kind of molecule."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from rdkit import Chem
from torch.nn import functional
from torch_geometric.nn import GINEConv

from crossmod.contracts.tower import TokenTower
from crossmod.errors import UserError
from crossmod_molecule.encoders.graph import CategoryEmbedding, GraphTower
from crossmod_molecule.encoders.settings import GraphIsomorphism
from crossmod_molecule.graphs import GraphInputs
from crossmod_molecule.processors import GraphProcessor

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "[Na+]", "C[C@H](N)C(=O)O", "*", "F/C=C/F"]
VARIANTS = [
    GraphIsomorphism(width=16, depth=3),
    GraphIsomorphism(width=16, depth=3, pooling="mean", virtual_node=False, residual=False),
    GraphIsomorphism(width=16, depth=1, pooling="sum", norm="layer"),
]


def tower_of(settings: GraphIsomorphism) -> GraphTower:
    tower = settings.build(settings.fit_processor([]))
    assert isinstance(tower, GraphTower)
    with torch.no_grad():  # an untrained virtual node is zero, and would hide a mistake
        if tower.virtual_node is not None:
            tower.virtual_node.start.normal_()
    return tower.eval()


def permuted(inputs: GraphInputs, order: torch.Tensor) -> GraphInputs:
    """One molecule with its atoms in another order: atom i of the result is atom order[i]."""
    place = torch.argsort(order)
    edges = place[inputs.edges.long()]
    ranks = torch.argsort(edges[:, 0] * len(order) + edges[:, 1])
    return replace(inputs, atoms=inputs.atoms[order], edges=edges[ranks].short(), bonds=inputs.bonds[ranks])


@pytest.mark.parametrize("settings", VARIANTS)
def test_pooled_is_invariant_and_tokens_equivariant(settings: GraphIsomorphism) -> None:
    tower = tower_of(settings)
    inputs = GraphProcessor()(SMILES[:1])
    order = torch.randperm(len(inputs.atoms))
    straight, shuffled = tower(inputs), tower(permuted(inputs, order))
    torch.testing.assert_close(shuffled.pooled, straight.pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shuffled.tokens[0], straight.tokens[0, order], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(shuffled.tokens, straight.tokens, atol=1e-3)


def test_the_text_that_wrote_a_molecule_does_not_matter() -> None:
    tower = tower_of(VARIANTS[0])
    molecule = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")
    texts = [Chem.MolToSmiles(molecule, doRandom=True) for _ in range(5)]
    pooled = tower(GraphProcessor()(texts)).pooled
    torch.testing.assert_close(pooled, pooled[:1].expand_as(pooled), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("settings", VARIANTS)
def test_a_molecule_does_not_see_its_batch(settings: GraphIsomorphism) -> None:
    tower = tower_of(settings)
    inputs = GraphProcessor()(SMILES)
    together = tower(inputs)
    assert together.tokens.shape == (5, 13, 16)
    assert together.mask.sum(dim=1).tolist() == [13, 1, 6, 1, 4]
    assert (together.tokens[~together.mask] == 0).all()
    for i in range(len(SMILES)):
        alone = tower(inputs.take(torch.tensor([i])))
        torch.testing.assert_close(alone.pooled[0], together.pooled[i], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.tokens[0], together.tokens[i][together.mask[i]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_awkward_molecules_train(norm: str, awkward: list[str]) -> None:
    tower = tower_of(replace(VARIANTS[0], norm=norm)).train()
    tower(GraphProcessor()(awkward)).pooled.square().sum().backward()
    for name, parameter in tower.named_parameters():
        if name != "hidden_atom":
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_stereochemistry_is_seen() -> None:
    tower = tower_of(VARIANTS[0])
    pooled = tower(GraphProcessor()(["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "F/C=C/F", "F/C=C\\F"])).pooled
    assert not torch.allclose(pooled[0], pooled[1], atol=1e-4)
    assert not torch.allclose(pooled[2], pooled[3], atol=1e-4)


def test_category_embedding_is_a_sum_of_tables() -> None:
    embedding = CategoryEmbedding((3, 4), 5)
    tables = embedding.weight.split([3, 4])
    codes = torch.tensor([[2, 0], [0, 3]])
    expected = functional.embedding(codes[:, 0], tables[0]) + functional.embedding(codes[:, 1], tables[1])
    torch.testing.assert_close(embedding(codes), expected)


def test_a_layer_is_the_published_convolution() -> None:
    """h' = MLP((1 + eps) h_i + sum_j ReLU(h_j + e_ij)), written out."""
    layer = tower_of(VARIANTS[0]).layers[0]
    with torch.no_grad():
        layer.convolution.eps.fill_(0.3)
    inputs = GraphProcessor()(["CC(=O)O"])
    atoms = torch.randn(4, 16)
    bonds = layer.bonds(inputs.edge_attr)
    total = 1.3 * atoms
    for (source, target), bond in zip(inputs.edges.tolist(), bonds, strict=True):
        total = total.index_add(0, torch.tensor([target]), torch.relu(atoms[source] + bond)[None])
    assert isinstance(layer.convolution, GINEConv)
    expected = layer.convolution.nn(total)
    torch.testing.assert_close(layer.convolution(atoms, inputs.edge_index, bonds), expected, atol=1e-5, rtol=1e-5)


def test_tokens_are_atomic_numbers() -> None:
    tower = tower_of(VARIANTS[0])
    tokens = tower.tokenise(GraphProcessor()(["CO", "*", "[U]"]))
    assert isinstance(tower, TokenTower)
    assert tower.vocabulary == 119
    assert tokens.targets.tolist() == [[6, 8], [0, 0], [92, 0]]
    assert tokens.mask.tolist() == [[True, True], [True, False], [True, False]]


def test_keeping_every_atom_is_the_forward_pass() -> None:
    tower, inputs = tower_of(VARIANTS[0]), GraphProcessor()(SMILES)
    tokens = tower.tokenise(inputs)
    kept, forward = tower.encode(tokens, torch.ones_like(tokens.mask)), tower(inputs)
    torch.testing.assert_close(kept.pooled, forward.pooled)
    torch.testing.assert_close(kept.tokens, forward.tokens)


def test_a_hidden_atom_betrays_nothing_of_itself() -> None:
    """Hiding the one atom in which two molecules differ, their bonds being alike, makes them the same."""
    tower = tower_of(VARIANTS[0])
    tokens = tower.tokenise(GraphProcessor()(["CCO", "CCN"]))
    keep = torch.tensor([[True, True, False]] * 2)
    hidden = tower.encode(tokens, keep)
    torch.testing.assert_close(hidden.tokens[0], hidden.tokens[1])
    shown = tower.encode(tokens, torch.ones_like(keep))
    assert not torch.allclose(shown.tokens[0], shown.tokens[1], atol=1e-3)
    hidden.pooled.sum().backward()
    assert tower.hidden_atom.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "reason"), [({"width": 0}, "width is 0"), ({"dropout": 1.0}, "dropout"), ({"depth": 0}, "depth")]
)
def test_impossible_settings_are_refused(options: dict[str, float], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        GraphIsomorphism(**options)


def test_another_vocabulary_is_refused_on_loading() -> None:
    settings = VARIANTS[0]
    spec = dict(settings.fit_processor([]).spec)
    assert settings.load_processor(spec, {}) == GraphProcessor()
    with pytest.raises(UserError, match="vocabulary_hash"):
        settings.load_processor(spec | {"vocabulary_hash": "0"}, {})
