"""Random views of molecular graphs for contrast between them (MoMu, arXiv:2209.05481): atoms stay, bonds go."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod_molecule.graphs import GraphInputs


def drop_atoms(inputs: GraphInputs, share: float, generator: torch.Generator | None = None) -> GraphInputs:
    """Cut every bond of floor(share * atoms) randomly chosen atoms of each molecule (0.1 in MoMu).

    Raises:
        UserError: `share` is no share.
    """
    chosen = _choose(inputs.atom_offsets, inputs.batch, share, generator)
    touched = chosen[inputs.edge_index].any(dim=0)
    return _keep_edges(inputs, ~touched)


def drop_bonds(inputs: GraphInputs, share: float, generator: torch.Generator | None = None) -> GraphInputs:
    """Cut floor(share * bonds) randomly chosen bonds of each molecule, in both directions (0.1 in MoMu).

    Raises:
        UserError: `share` is no share.
    """
    forward = inputs.edges[:, 0] < inputs.edges[:, 1]
    # Edges are sorted by source, then target; a stable sort by target lists each edge's reverse in its place.
    reverse = torch.argsort(inputs.edge_index[1], stable=True)
    offsets = inputs.edge_offsets // 2
    molecules = torch.arange(len(inputs), device=offsets.device)
    dropped = torch.zeros_like(forward)
    dropped[forward] = _choose(offsets, torch.repeat_interleave(molecules, offsets.diff()), share, generator)
    return _keep_edges(inputs, ~(dropped | dropped[reverse]))


def _choose(
    offsets: Int64[Tensor, "molecules_and_one"],
    molecule: Int64[Tensor, "rows"],
    share: float,
    generator: torch.Generator | None,
) -> Bool[Tensor, "rows"]:
    """Mark floor(share * rows) random rows of every molecule."""
    if not 0.0 <= share <= 1.0:
        raise UserError(f"the share to drop is {share}; it must lie in [0, 1].")
    draw = torch.rand(len(molecule), dtype=torch.float64, generator=generator).to(molecule.device)
    shuffled = torch.argsort(molecule + draw)
    place = torch.arange(len(molecule), device=molecule.device) - offsets[molecule]
    # The small term keeps a product such as 0.1 * 30, which is a whole number in decimal, from falling below it.
    chosen = torch.zeros(len(molecule), dtype=torch.bool, device=molecule.device)
    chosen[shuffled] = place < torch.floor(share * offsets.diff() + 1e-9)[molecule]
    return chosen


def _keep_edges(inputs: GraphInputs, keep: Bool[Tensor, "edges"]) -> GraphInputs:
    kept_before = torch.cat((keep.new_zeros(1, dtype=torch.long), keep.long().cumsum(0)))
    return replace(
        inputs, edges=inputs.edges[keep], bonds=inputs.bonds[keep], edge_offsets=kept_before[inputs.edge_offsets]
    )
