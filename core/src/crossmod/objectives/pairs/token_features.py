"""What objectives on tokens take from a tower: the tokens of the rows that count, without leading special ones."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.contracts.objective import Forwards
from crossmod.errors import UserError
from crossmod.objectives.pairs.token_scores import TokenSet


def tokens_of(forwards: Forwards, modality: str, rows: Int64[Tensor, "pairs"], skip: int) -> TokenSet:
    """The tokens of `rows`, the first `skip` of each left out ([CLS] and the like).

    Raises:
        UserError: The modality's tower returns no tokens, or a sample has nothing but what is left out.
    """
    features = forwards.features(modality)
    if features.tokens is None:
        tower = type(forwards.tower(modality)).__name__
        raise UserError(
            f"a token objective asks for the tokens of {modality!r}, but its tower {tower} returns none; choose a "
            "tower with tokens or drop the objective."
        )
    tokens = features.tokens[rows, skip:]
    if features.mask is None:
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    else:
        mask = features.mask[rows, skip:]
    if not bool(mask.any(1).all()):
        raise UserError(
            f"a sample of {modality!r} has no token besides the {skip} that are left out; lower skip_a or skip_b of "
            "the objective, or look for empty inputs with `crossmod data look`."
        )
    return TokenSet(tokens, mask)
