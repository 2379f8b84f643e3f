"""FILIP as a loss and as a term of a recipe: late interaction of two modalities' tokens, contrasted."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.distributed.world import rank, world_size
from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.pairs.gathering import every_group, every_token_set
from crossmod.objectives.pairs.soft_targets import soft_target_infonce
from crossmod.objectives.pairs.targets import from_groups
from crossmod.objectives.pairs.token_features import tokens_of
from crossmod.objectives.pairs.token_reduction import TokenReducer
from crossmod.objectives.pairs.token_scores import TokenSet, best_matched, late_interaction
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import LateInteraction


class LateInteractionLoss(nn.Module):
    """InfoNCE on `late_interaction` scores, each direction on its own matrix (FILIP, arXiv:2111.07783).

    Over processes the own samples meet the partners of all; the shares average to the loss of one process. A selection
    of partners (`kept_share` below 1) and processes form each direction's products apart, at twice the work.

    Args:
        scale: The temperature; checkpointed with this module.
        kept_share: Share of each sample's tokens that are partners of other samples (0.25 in FILIP; 1 keeps all).
        chunk_size: Samples of b whose products are formed at once; 0 keeps those of the whole batch.
        similarity_dtype: Type of the products, such as bfloat16; None takes the tokens' own, at least float32.
    """

    def __init__(
        self,
        scale: LogitScale | None = None,
        *,
        kept_share: float = 1.0,
        chunk_size: int = 0,
        similarity_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 < kept_share <= 1:
            raise ValueError(f"the share of kept tokens is {kept_share}; it is above 0 and at most 1")
        self.scale = scale if scale is not None else LogitScale()
        self.kept_share = kept_share
        self._options: dict[str, Any] = {"chunk_size": chunk_size, "similarity_dtype": similarity_dtype}

    def forward(self, a: TokenSet, b: TokenSet, group: Int64[Tensor, "batch"] | None = None) -> PairTerms:
        """Contrast the pairs of one batch.

        Raises:
            ValueError: The sides differ in number, or as `late_interaction`.
        """
        if len(a.tokens) != len(b.tokens):
            raise ValueError(f"{len(a.tokens)} token sets of a meet {len(b.tokens)} of b; pair i is positive")
        rows = len(a.tokens)
        scores = self._scores(a, b)
        groups = every_group(group, rows, a.tokens.device)
        own = groups[rank() * rows : (rank() + 1) * rows] if world_size() > 1 else groups
        targets = from_groups(own, groups, like=scores.ab)
        scale = self.scale()
        parts = soft_target_infonce(scale * scores.ab, scale * scores.ba, targets, targets)
        terms: dict[str, Tensor] = {**parts._asdict(), "scale": scale}
        return PairTerms(parts.loss, {name: value.detach() for name, value in terms.items()})

    def _scores(self, a: TokenSet, b: TokenSet) -> LateInteraction:
        if self.kept_share == 1 and world_size() == 1:
            return late_interaction(a.tokens, b.tokens, a.mask, b.mask, **self._options)
        partner_a = every_token_set(best_matched(a, b, self.kept_share) if self.kept_share < 1 else a)
        partner_b = every_token_set(best_matched(b, a, self.kept_share) if self.kept_share < 1 else b)
        ab = late_interaction(a.tokens, partner_b.tokens, a.mask, partner_b.mask, **self._options).ab
        ba = late_interaction(partner_a.tokens, b.tokens, partner_a.mask, b.mask, **self._options).ba
        return LateInteraction(ab, ba)


class LateInteractionObjective(Objective):
    """Project two towers' tokens to one width and contrast them by late interaction.

    The projections belong to this objective: retrieval by embeddings stays the model's own, so pair it with a
    contrast of embeddings that trains them.

    Args:
        a: One modality.
        b: The other.
        widths: Widths of the two towers' tokens.
        width: Common width (256 in FILIP).
        loss: The loss.
        skip: Leading tokens of each side that are left out ([CLS]).
        reducers: Token reduction of each side after its projection (Wukong), or None.
        groups: Whether rows of one group are positives of each other.
    """

    couples_batch = True

    def __init__(
        self,
        a: str,
        b: str,
        widths: tuple[int, int],
        width: int,
        loss: LateInteractionLoss,
        *,
        skip: tuple[int, int] = (0, 0),
        reducers: tuple[TokenReducer | None, TokenReducer | None] = (None, None),
        groups: bool = True,
    ) -> None:
        super().__init__()
        self.a, self.b, self.loss, self.skip, self.groups = a, b, loss, skip, groups
        self.project_a = nn.Linear(widths[0], width, bias=False)
        self.project_b = nn.Linear(widths[1], width, bias=False)
        self.reduce_a, self.reduce_b = reducers

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities; none at all is a zero."""
        position_a, position_b, group = batch.common(self.a, self.b)
        if not len(group) and world_size() == 1:
            nothing = self.loss.scale() * 0
            return Outcome(nothing, {"loss": nothing.detach()})
        a = _prepared(tokens_of(forwards, self.a, position_a, self.skip[0]), self.project_a, self.reduce_a)
        b = _prepared(tokens_of(forwards, self.b, position_b, self.skip[1]), self.project_b, self.reduce_b)
        outcome = self.loss(a, b, group if self.groups else None)
        return Outcome(outcome.loss, outcome.terms)

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()


def _prepared(part: TokenSet, project: nn.Linear, reducer: TokenReducer | None) -> TokenSet:
    tokens = project(part.tokens)
    if reducer is None:
        return TokenSet(tokens, part.mask)
    mixed = reducer(tokens, part.mask).tokens
    return TokenSet(mixed, torch.ones(mixed.shape[:2], dtype=torch.bool, device=mixed.device))
