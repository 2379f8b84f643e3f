"""The graph tower: GINE layers over atoms and bonds, with atoms that can be hidden and reconstructed."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.tower import Features, Tokens, TokenTower
from crossmod_molecule.encoders.settings import GraphIsomorphism
from crossmod_molecule.graphs import GraphInputs
from crossmod_molecule.processors import GraphProcessor
from crossmod_molecule.vocabulary import ATOM_COLUMNS, ATOM_SIZES, BOND_SIZES

with warnings.catch_warnings():
    # torch_geometric calls torch.jit on import, of which newer torch warns; no user can mend that.
    warnings.filterwarnings("ignore", message=".*torch.jit.*")
    from torch_geometric.nn import GINEConv
    from torch_geometric.utils import scatter, softmax

ATOMIC_NUMBER = ATOM_COLUMNS.index("atomic_number")


class CategoryEmbedding(nn.Module):
    """The sum of one embedding a column; the tables lie one after another in a single matrix."""

    first: Int64[Tensor, "columns"]

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        ends = torch.tensor(sizes).cumsum(0)
        self.register_buffer("first", ends - torch.tensor(sizes), persistent=False)
        self.weight = nn.Parameter(torch.empty(int(ends[-1]), width))
        nn.init.normal_(self.weight, std=len(sizes) ** -0.5)

    def forward(self, codes: Int64[Tensor, "rows columns"]) -> Float[Tensor, "rows width"]:
        """Embed rows of codes."""
        return functional.embedding_bag(codes + self.first, self.weight, mode="sum")


class GraphLayer(nn.Module):
    """One GINE convolution: `MLP((1 + eps) h_i + sum_j ReLU(h_j + e_ij))`, normalised (arXiv:1905.12265)."""

    def __init__(self, settings: GraphIsomorphism) -> None:
        super().__init__()
        width = settings.width
        norm = nn.BatchNorm1d if settings.norm == "batch" else nn.LayerNorm
        self.bonds = CategoryEmbedding(BOND_SIZES, width)
        network = nn.Sequential(nn.Linear(width, 2 * width), norm(2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.convolution = GINEConv(network, train_eps=True)
        self.norm = norm(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.residual = settings.residual

    def forward(
        self,
        atoms: Float[Tensor, "atoms width"],
        edge_index: Int64[Tensor, "2 edges"],
        edge_attr: Int64[Tensor, "edges 3"],
        last: bool,
    ) -> Float[Tensor, "atoms width"]:
        """Pass messages along the bonds once; the last layer keeps its sign."""
        hidden: Tensor = self.norm(self.convolution(atoms, edge_index, self.bonds(edge_attr)))
        hidden = self.dropout(hidden if last else torch.relu(hidden))
        return atoms + hidden if self.residual else hidden


class VirtualNode(nn.Module):
    """A node joined to every atom of its molecule, read before a layer and updated after it."""

    def __init__(self, settings: GraphIsomorphism) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(settings.width))
        self.updates = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(settings.width),
                nn.Linear(settings.width, settings.width),
                nn.GELU(),
                nn.Linear(settings.width, settings.width),
            )
            for _ in range(settings.depth - 1)
        )

    def update(
        self,
        layer: int,
        node: Float[Tensor, "molecules width"],
        atoms: Float[Tensor, "atoms width"],
        batch: Int64[Tensor, "atoms"],
    ) -> Float[Tensor, "molecules width"]:
        """The node after it has read the sum of its atoms."""
        read: Tensor = self.updates[layer](node + scatter(atoms, batch, 0, len(node), reduce="sum"))
        return node + read


class Pooling(nn.Module):
    """Atoms to one vector a molecule."""

    def __init__(self, settings: GraphIsomorphism) -> None:
        super().__init__()
        self.kind: str = settings.pooling
        self.gate = nn.Linear(settings.width, 1) if settings.pooling == "attention" else None

    def forward(
        self, atoms: Float[Tensor, "atoms width"], batch: Int64[Tensor, "atoms"], molecules: int
    ) -> Float[Tensor, "molecules width"]:
        """Pool; every molecule has at least one atom."""
        reduction = self.kind
        if self.gate is not None:
            atoms, reduction = softmax(self.gate(atoms), batch, num_nodes=molecules) * atoms, "sum"
        pooled: Tensor = scatter(atoms, batch, 0, molecules, reduce=reduction)
        return pooled


class GraphTower(TokenTower):
    """Molecular graphs to features; a token is an atom, and what is reconstructed is its atomic number.

    Args:
        settings: Sizes and choices.
        processor: What reads SMILES for this tower.
    """

    def __init__(self, settings: GraphIsomorphism, processor: GraphProcessor) -> None:
        super().__init__()
        self.width = settings.width
        self.processor = processor
        self.vocabulary = ATOM_SIZES[ATOMIC_NUMBER]
        self.atoms = CategoryEmbedding(ATOM_SIZES, settings.width)
        self.layers = nn.ModuleList(GraphLayer(settings) for _ in range(settings.depth))
        self.virtual_node = VirtualNode(settings) if settings.virtual_node else None
        self.pooling = Pooling(settings)
        self.hidden_atom = nn.Parameter(torch.empty(settings.width).normal_(std=0.02))

    def forward(self, inputs: GraphInputs, /) -> Features:
        """Encode molecules; tokens are their atoms in RDKit's order."""
        return self._encode(self.atoms(inputs.x), inputs)

    def tokenise(self, inputs: GraphInputs, /) -> Tokens:
        """Embed atoms; targets are atomic numbers, 0 being the wildcard."""
        values, mask = _pad(self.atoms(inputs.x), inputs)
        targets, _ = _pad(inputs.atoms[:, ATOMIC_NUMBER].long(), inputs)
        return Tokens(values, targets, mask, context=inputs)

    def encode(self, tokens: Tokens, keep: Bool[Tensor, "batch length"], /) -> Features:
        """Encode with the atoms where `keep` is false replaced by a learned vector; bonds stay."""
        values = torch.where(keep[..., None], tokens.values, self.hidden_atom.to(tokens.values.dtype))
        return self._encode(values.flatten(0, 1)[_positions(tokens.context)], tokens.context)

    def _encode(self, atoms: Float[Tensor, "atoms width"], inputs: GraphInputs) -> Features:
        edge_index, edge_attr, batch = inputs.edge_index, inputs.edge_attr, inputs.batch
        node = None if self.virtual_node is None else self.virtual_node.start.expand(len(inputs), -1)
        for depth, layer in enumerate(self.layers):
            last = depth == len(self.layers) - 1
            if node is not None:
                atoms = atoms + node[batch]
            atoms = layer(atoms, edge_index, edge_attr, last)
            if self.virtual_node is not None and node is not None and not last:
                node = self.virtual_node.update(depth, node, atoms, batch)
        tokens, mask = _pad(atoms, inputs)
        return Features(self.pooling(atoms, batch, len(inputs)), tokens, mask)


def _positions(inputs: GraphInputs) -> Int64[Tensor, "atoms"]:
    """Where each atom stands in the padded [molecules, longest] layout, flattened."""
    longest = _longest(inputs)
    batch = inputs.batch
    return torch.arange(len(batch), device=batch.device) - inputs.atom_offsets[batch] + batch * longest


def _longest(inputs: GraphInputs) -> int:
    """Atoms of the largest molecule; 0 where a batch holds none."""
    return int(inputs.atom_offsets.diff().max()) if len(inputs) else 0


def _pad(rows: Tensor, inputs: GraphInputs) -> tuple[Tensor, Bool[Tensor, "molecules longest"]]:
    """One row an atom to [molecules, longest, ...], zero where the mask is false."""
    counts = inputs.atom_offsets.diff()
    longest = _longest(inputs)
    padded = rows.new_zeros(len(inputs) * longest, *rows.shape[1:]).index_copy(0, _positions(inputs), rows)
    mask = torch.arange(longest, device=counts.device) < counts[:, None]
    return padded.view(len(inputs), longest, *rows.shape[1:]), mask
