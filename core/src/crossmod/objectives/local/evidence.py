"""The visible part of a modality: what is left of its tokens when most are hidden, as evidence for another one."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards
from crossmod.objectives.local.maskers import uniform_masking
from crossmod.objectives.local.visible_tokens import VisibleTokens
from crossmod.objectives.local.visible_tower import VisibleTower
from crossmod.objectives.matching.pair_fusion import as_tokens


def visible_part(
    forwards: Forwards, batch: Batch, modality: str, rows: Int64[Tensor, "rows"], hidden_share: float
) -> VisibleTokens:
    """States of the tokens of `rows` that are not hidden, encoded without the hidden ones.

    Args:
        rows: Places among the inputs of the modality.
        hidden_share: Share of the tokens that are hidden, drawn anew; 0 takes the whole sample's states as they are.

    Raises:
        ValueError: Nothing is to be hidden and the tower returns no tokens.
    """
    tower = forwards.tower(modality)
    if hidden_share:
        assert isinstance(tower, VisibleTower)
        tokens = tower.tokenise(batch.inputs[modality].take(rows))
        keep = uniform_masking(tokens.mask, hidden_share)
        return tower.encode_visible(tokens, keep & tokens.mask)
    features = forwards.features(modality)
    if features.tokens is None:
        raise ValueError(
            f"an objective reads the tokens of {modality!r}, but its tower {type(tower).__name__} returns none; choose "
            "a tower with tokens."
        )
    values, mask = (each[rows] for each in as_tokens(features))
    return VisibleTokens(values, mask, torch.arange(values.shape[1], device=values.device).expand(mask.shape))
