"""A perceptron on vectors."""

from __future__ import annotations

from torch import nn

from crossmod.contracts.tower import Features, Tower
from crossmod.vectors.inputs import VectorInputs
from crossmod.vectors.processor import VectorProcessor


class VectorTower(Tower):
    """Linear layers with GELU and dropout between them.

    Args:
        processor: What the vectors come from; its spec gives their length.
        width: Width of every layer.
        depth: Number of layers.
        dropout: Probability between layers.
    """

    def __init__(self, processor: VectorProcessor, *, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.width, self.processor = width, processor
        layers: list[nn.Module] = [nn.Linear(len(processor.mean), width)]
        for _ in range(depth - 1):
            layers += [nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)]
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: VectorInputs, /) -> Features:
        """Encode vectors.

        Shape:
            inputs: [batch, dimensions] -> pooled [batch, width]; no tokens.
        """
        return Features(self.layers(inputs.values))
