"""The model: one tower a modality, each projected into one shared space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.contracts.batch import Inputs
from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.recipe import EmbeddingSettings


def projection(tower_width: int, settings: EmbeddingSettings) -> nn.Module:
    """The head that projects one tower's pooled features into the shared space.

    Shape:
        [batch, tower_width] -> [batch, settings.width]
    """
    drop: list[nn.Module] = [nn.Dropout(settings.dropout)] if settings.dropout else []
    if settings.layers == 1:
        return nn.Sequential(*drop, nn.Linear(tower_width, settings.width, bias=False))
    if settings.layers == 2:
        return nn.Sequential(
            *drop,
            nn.Linear(tower_width, tower_width),
            nn.GELU(),
            nn.Linear(tower_width, settings.width, bias=False),
        )
    raise UserError(f"embedding.layers is {settings.layers}; a projection has 1 or 2 layers.")


class CrossModal(nn.Module):
    """Towers and heads by modality: what is trained, evaluated, saved and loaded.

    Args:
        towers: The encoder of each modality.
        settings: The shared space.

    Attributes:
        towers: An `nn.ModuleDict`; `model.towers.text` is a plain module.
        heads: The projections, by modality.
    """

    def __init__(self, towers: Mapping[str, Tower], settings: EmbeddingSettings) -> None:
        super().__init__()
        self.towers = nn.ModuleDict(dict(towers))
        self.heads = nn.ModuleDict({name: settings.build(tower.width) for name, tower in towers.items()})
        self.embedding_width = settings.width

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in the order of the recipe."""
        return tuple(self.towers)

    @property
    def processors(self) -> dict[str, Processor]:
        """What turns raw items into each tower's inputs."""
        return {name: self.tower(name).processor for name in self.towers}

    def tower(self, modality: str) -> Tower:
        """The encoder of one modality.

        Raises:
            UserError: The model has no such modality.
        """
        if modality not in self.towers:
            raise UserError(f"the model has no modality {modality!r}; it has {', '.join(self.towers)}.")
        tower = self.towers[modality]
        assert isinstance(tower, Tower)
        return tower

    def project(self, modality: str, pooled: Float[Tensor, "*items width"]) -> Float[Tensor, "*items dim"]:
        """Project pooled features into the shared space and L2-normalise them in float32 (eps 1e-8)."""
        return normalize(self.heads[modality](pooled).float(), dim=-1, eps=1e-8)

    def forward(self, modality: str, inputs: Inputs) -> Float[Tensor, "batch dim"]:
        """Embed one modality's inputs, with gradient."""
        return self.project(modality, self.tower(modality)(inputs).pooled)

    @torch.no_grad()
    def embed(
        self, modality: str, items: Inputs | Sequence[Any], *, batch_size: int = 256
    ) -> Float[Tensor, "items dim"]:
        """Embed raw items (texts, SMILES, paths) or prepared inputs, in evaluation mode.

        Returns:
            [items, dim] float32, L2-normalised, on the CPU.

        Raises:
            UserError: An item cannot be read, inputs were prepared with other settings than the tower's, or the model
                has no such modality.
        """
        return self._gather(modality, items, batch_size, projected=True)

    @torch.no_grad()
    def features(
        self, modality: str, items: Inputs | Sequence[Any], *, batch_size: int = 256
    ) -> Float[Tensor, "items width"]:
        """The tower's pooled features before projection: what a linear probe is fitted on."""
        return self._gather(modality, items, batch_size, projected=False)

    def _gather(self, modality: str, items: Inputs | Sequence[Any], batch_size: int, *, projected: bool) -> Tensor:
        tower = self.tower(modality)
        if isinstance(items, Inputs):
            tower.processor.check(items)
        inputs = items if isinstance(items, Inputs) else tower.processor(items)
        device = next(self.parameters()).device
        was_training = self.training
        self.eval()
        try:
            parts = []
            for start in range(0, len(inputs), batch_size):
                index = torch.arange(start, min(start + batch_size, len(inputs)))
                pooled = tower(inputs.take(index).to(device)).pooled
                part = self.project(modality, pooled) if projected else pooled.float()
                parts.append(part.cpu())
        finally:
            self.train(was_training)
        width = self.embedding_width if projected else tower.width
        return torch.cat(parts) if parts else torch.empty(0, width)
