"""Packed graphs: torch_geometric's batches, gathered without a Python step a molecule."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.utils import from_smiles

from crossmod.contracts.batch import Inputs
from crossmod_molecule.graphs import GraphInputs
from crossmod_molecule.processors import GraphProcessor

SMILES = ["CCO", "[Na+]", "c1ccccc1", "*", "F/C=C/F", "CC(=O)Oc1ccccc1C(=O)O"]


@pytest.fixture
def graphs() -> GraphInputs:
    return GraphProcessor()(SMILES)


@pytest.mark.parametrize("index", [[0], [5, 1, 3], [2, 2, 1, 1, 0], list(range(6))])
def test_take_equals_a_batch_of_torch_geometric(graphs: GraphInputs, index: list[int]) -> None:
    taken = graphs.take(torch.tensor(index))
    expected = Batch.from_data_list([from_smiles(SMILES[i]) for i in index])
    assert len(taken) == len(index)
    for name in ("x", "edge_index", "edge_attr", "batch"):
        value = getattr(taken, name)
        assert torch.equal(value, getattr(expected, name)), name
        assert value.dtype == torch.int64
        assert value.is_contiguous()


def test_taking_twice_equals_taking_the_composition(graphs: GraphInputs) -> None:
    first, second = torch.tensor([5, 0, 3, 3]), torch.tensor([2, 0, 0])
    for a, b in zip(
        vars(graphs.take(first).take(second)).values(), vars(graphs.take(first[second])).values(), strict=True
    ):
        assert torch.equal(a, b)


def test_taking_none_gives_no_molecules(graphs: GraphInputs) -> None:
    none = graphs.take(torch.tensor([], dtype=torch.long))
    assert len(none) == 0
    assert none.x.shape == (0, 9)
    assert none.edge_index.shape == (2, 0)


def test_data_list_equals_from_smiles(graphs: GraphInputs) -> None:
    for text, data in zip(SMILES, graphs.to_data_list(), strict=True):
        expected = from_smiles(text)
        assert torch.equal(data.x, expected.x)
        assert torch.equal(data.edge_index, expected.edge_index)
        assert torch.equal(data.edge_attr, expected.edge_attr)


def test_it_obeys_the_contract_of_inputs_and_travels_between_processes(graphs: GraphInputs) -> None:
    assert isinstance(graphs, Inputs)
    back = pickle.loads(pickle.dumps(graphs.to("cpu")))
    assert torch.equal(back.edge_index, graphs.edge_index)


def test_sixteen_atoms_take_less_than_four_hundred_bytes(cancer_institute: list[str]) -> None:
    graphs = GraphProcessor()(cancer_institute)
    held = sum(tensor.nbytes for tensor in vars(graphs).values())
    assert held / len(graphs) < 400
