"""Views of graphs: atoms stay, bonds go in pairs, codes stay beside their edges."""

from __future__ import annotations

import pytest
import torch

from crossmod.errors import UserError
from crossmod_molecule.augment import drop_atoms, drop_bonds
from crossmod_molecule.graphs import GraphInputs
from crossmod_molecule.processors import GraphProcessor

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "[Na+]", "C#N", "F/C=C/F", "C" * 30]


def edges_of(inputs: GraphInputs) -> list[dict[tuple[int, int], tuple[int, ...]]]:
    """By molecule, the bond codes of every edge."""
    return [
        {
            (a, b): tuple(code)
            for (a, b), code in zip(data.edge_index.t().tolist(), data.edge_attr.tolist(), strict=True)
        }
        for data in inputs.to_data_list()
    ]


@pytest.mark.parametrize("view", [drop_atoms, drop_bonds])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_a_view_keeps_atoms_and_whole_bonds_with_their_codes(view: object, share: float) -> None:
    inputs = GraphProcessor()(SMILES)
    seen = view(inputs, share, torch.Generator().manual_seed(1))
    assert torch.equal(seen.atoms, inputs.atoms)
    for before, after in zip(edges_of(inputs), edges_of(seen), strict=True):
        assert after.items() <= before.items()
        assert all((b, a) in after for a, b in after)
    assert len(edges_of(seen)) == 5


@pytest.mark.parametrize(("share", "dropped"), [(0.0, 0), (0.1, 3), (0.5, 15), (1.0, 30)])
def test_dropped_atoms_lose_every_bond_and_the_others_none(share: float, dropped: int) -> None:
    inputs = GraphProcessor()(["C1" + "C" * 28 + "C1"])  # a ring of 30: each atom has two bonds
    seen = drop_atoms(inputs, share, torch.Generator().manual_seed(2))
    kept = set(edges_of(seen)[0])
    lone = {atom for atom in range(30) if not any(atom in edge for edge in kept)}
    lost = set(edges_of(inputs)[0]) - kept
    assert all(a in lone or b in lone for a, b in lost)
    # Chosen atoms that are neighbours share a bond, so k of them lose between k + 1 and 2k (all 30 at most).
    assert dropped + (0 < dropped < 30) <= len(lost) // 2 <= min(2 * dropped, 30)


@pytest.mark.parametrize(("share", "left"), [(0.0, 30), (0.1, 27), (0.5, 15), (1.0, 0)])
def test_bonds_are_dropped_by_exact_share(share: float, left: int) -> None:
    inputs = GraphProcessor()(["C1" + "C" * 28 + "C1"] * 2)
    seen = drop_bonds(inputs, share, torch.Generator().manual_seed(3))
    assert seen.edge_offsets.diff().tolist() == [2 * left] * 2


def test_views_differ_by_generator_and_repeat_with_it() -> None:
    inputs = GraphProcessor()(["C" * 30])
    first, again, other = (drop_atoms(inputs, 0.3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.edges, again.edges)
    assert not torch.equal(first.edges, other.edges)


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(UserError, match="must lie in"):
        drop_atoms(GraphProcessor()(["CC"]), 1.5)
