"""Attribute prediction: hide whole attribute phrases and recover them with the other modality (PLIP, arXiv:2305.08386).

The masking is `group_masking`; this file finds the phrases and predicts what was hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import TokenTower
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.local.token_transformer import TokenTransformer


def find_phrases(
    ids: Int64[Tensor, "batch length"], mask: Bool[Tensor, "batch length"], phrases: Sequence[Sequence[int]]
) -> Int64[Tensor, "batch length"]:
    """The number of the phrase that each token belongs to, counted within its row; -1 outside phrases.

    Longer phrases are found first, then the leftmost; a token belongs to one phrase at most.

    Args:
        phrases: Token ids of each phrase.

    Shape:
        ids: [batch, length].
        mask: [batch, length]; true = real token.

    Raises:
        ValueError: A phrase is empty.
    """
    if not all(len(phrase) for phrase in phrases):
        raise ValueError("a phrase has no token; drop it from the list")
    found = torch.full_like(ids, -1)
    following = torch.zeros(len(ids), dtype=torch.int64, device=ids.device)
    rows = torch.arange(len(ids), device=ids.device)
    for phrase in sorted(set(map(tuple, phrases)), key=lambda phrase: (-len(phrase), phrase)):
        size = len(phrase)
        if size > ids.shape[1]:
            continue
        wanted = ids.new_tensor(phrase)
        same = (ids.unfold(1, size, 1) == wanted).all(2) & mask.unfold(1, size, 1).all(2)
        for start in same.any(0).nonzero()[:, 0].tolist():
            free = same[:, start] & (found[:, start : start + size] < 0).all(1)
            found[rows[free], start : start + size] = following[free][:, None]
            following += free.long()
    return found


def phrase_ids(tower: TokenTower, phrases: Sequence[str]) -> list[list[int]]:
    """The token ids of phrases given as raw items of the tower's modality, special tokens left out."""
    if not phrases:
        return []
    with torch.no_grad():
        tokens = tower.tokenise(tower.processor(list(phrases)))
    return [row[real].tolist() for row, real in zip(tokens.targets, tokens.mask, strict=True)]


class AttributePrediction(nn.Module):
    """Token states, each with the other modality's pooled vector added, through self-attention to the vocabulary.

    Args:
        width: Width of the token states.
        condition_width: Width of the other modality's pooled vector.
        vocabulary: Number of tokens.
        depth: Number of self-attention blocks (not given in the paper). [ours]
        heads: Attention heads; they divide the width.

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(self, width: int, condition_width: int, vocabulary: int, *, depth: int = 1, heads: int = 4) -> None:
        super().__init__()
        # The paper adds the global vector itself; a projection lets the widths differ.
        self.condition = nn.Linear(condition_width, width)
        self.transformer = TokenTransformer(width, depth, heads)
        self.predict = nn.Linear(width, vocabulary)

    def forward(
        self,
        states: Float[Tensor, "batch length width"],
        condition: Float[Tensor, "batch condition_width"],
        mask: Bool[Tensor, "batch length"],
    ) -> Float[Tensor, "batch length vocabulary"]:
        """Score the vocabulary at every token.

        Shape:
            states: [batch, length, width]; of the text with its phrases hidden.
            condition: [batch, condition_width]; the sample's pooled vector in the other modality.
            mask: [batch, length]; true = real token.

        Raises:
            ValueError: Rows or tokens differ in number.
        """
        require_shape(states.shape[:2], mask=mask)
        require_shape((len(states), self.condition.in_features), condition=condition)
        mixed = self.transformer(states + self.condition(condition)[:, None], mask)
        scores: Tensor = self.predict(mixed)
        return scores
