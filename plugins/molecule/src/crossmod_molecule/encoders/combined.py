"""Graph and fingerprint as one tower: the graph gives the tokens, both together give the pooled vector."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tokens, TokenTower
from crossmod_molecule.encoders.fingerprint import FingerprintTower
from crossmod_molecule.encoders.graph import GraphTower
from crossmod_molecule.encoders.settings import GraphAndFingerprint
from crossmod_molecule.molecules import MoleculeInputs
from crossmod_molecule.processors import MoleculeProcessor


class CombinedTower(TokenTower):
    """Molecules to features through both towers, which stay usable on their own.

    Args:
        settings: Both towers' settings and how their outputs meet.
        processor: What reads SMILES for this tower.

    Attributes:
        graph: The graph tower.
        fingerprint: The fingerprint tower.
    """

    def __init__(self, settings: GraphAndFingerprint, processor: MoleculeProcessor) -> None:
        super().__init__()
        self.processor = processor
        self.graph = GraphTower(settings.graph, processor.graph)
        self.fingerprint = FingerprintTower(settings.fingerprint, processor.fingerprint)
        self.vocabulary = self.graph.vocabulary
        both = self.graph.width + self.fingerprint.width
        if settings.fusion == "concat":
            self.width = both
            self.fusion: nn.Module = nn.Identity()
        else:
            self.width = settings.width or self.graph.width
            self.fusion = nn.Linear(both, self.width)
        same = self.width == self.graph.width
        self.atoms = nn.Identity() if same else nn.Linear(self.graph.width, self.width)

    def forward(self, inputs: MoleculeInputs, /) -> Features:
        """Encode molecules; tokens are the graph tower's, brought to this tower's width."""
        return self._combine(self.graph(inputs.graph), self.fingerprint(inputs.fingerprint).pooled)

    def tokenise(self, inputs: MoleculeInputs, /) -> Tokens:
        """Embed atoms, as the graph tower does."""
        return self.graph.tokenise(inputs.graph)._replace(context=inputs)

    def encode(self, tokens: Tokens, keep: Bool[Tensor, "batch length"], /) -> Features:
        """Encode with some atoms hidden; the fingerprint, which would betray them, never meets the tokens."""
        inputs: MoleculeInputs = tokens.context
        graph = self.graph.encode(tokens._replace(context=inputs.graph), keep)
        return self._combine(graph, self.fingerprint(inputs.fingerprint).pooled)

    def _combine(self, graph: Features, fingerprint: Float[Tensor, "batch width"]) -> Features:
        pooled = self.fusion(torch.cat((graph.pooled, fingerprint), dim=-1))
        return Features(pooled, self.atoms(graph.tokens), graph.mask)
