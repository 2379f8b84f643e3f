"""HiTeA's two terms in a recipe: a short view beside its text's words, and beside the long view (arXiv:2212.14546)."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import TokenTower
from crossmod.objectives.matching.cross_resolution import CrossResolutionConsistency
from crossmod.objectives.matching.pair_fusion import PairFusion, as_tokens, take_features
from crossmod.objectives.matching.word_moments import MomentWordContrast


def shared_rows(batch: Batch, *modalities: str) -> tuple[list[Int64[Tensor, "rows"]], Int64[Tensor, "rows"]]:
    """Positions among the inputs of each modality of the rows that have them all, and those rows' groups."""
    every = torch.stack([batch.present[name] for name in modalities]).all(0)
    return [(torch.cumsum(batch.present[name], 0) - 1)[every] for name in modalities], batch.group[every]


class MomentWordObjective(Objective):
    """(spec) Contrast a short view with the words of the text that speak of it, both projected to one width.

    Where the text tower can tell special tokens from others, those are never selected.

    Args:
        moment: The modality of the short view.
        text: The modality with tokens.
        widths: Widths of the two towers.
        width: Common width.
        loss: The contrast.
        groups: Whether rows of one group are positives of each other.
    """

    couples_batch = True

    def __init__(
        self,
        moment: str,
        text: str,
        widths: tuple[int, int],
        width: int,
        loss: MomentWordContrast,
        *,
        groups: bool = True,
    ) -> None:
        super().__init__()
        self.moment, self.text, self.loss, self.groups = moment, text, loss, groups
        self.project_moment = nn.Linear(widths[0], width, bias=False)
        self.project_text = nn.Linear(widths[1], width, bias=False)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both; a batch without any costs a zero."""
        position_moment, position_text, group = batch.common(self.moment, self.text)
        features = take_features(forwards.features(self.text), position_text)
        words, eligible = as_tokens(features)
        tower = forwards.tower(self.text)
        if features.tokens is not None and isinstance(tower, TokenTower):
            with torch.no_grad():
                eligible = eligible & tower.tokenise(batch.inputs[self.text]).mask[position_text]
        moment = self.project_moment(forwards.features(self.moment).pooled[position_moment])
        outcome = self.loss(moment, self.project_text(words), eligible, group if self.groups else None)
        return Outcome(outcome.loss, outcome.terms)

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()


class CrossResolutionObjective(Objective):
    """(spec) Fuse the text with a short and with a long view, and make the two pairs agree.

    Args:
        short: The modality of the short or coarse view.
        long: The modality of the long or fine one.
        text: What both are fused with.
        fusion: Fuses either view with the text.
        consistency: Compares the two fused vectors.
        groups: Whether rows of one group share their target.
    """

    couples_batch = True

    def __init__(
        self,
        short: str,
        long: str,
        text: str,
        fusion: PairFusion,
        consistency: CrossResolutionConsistency,
        *,
        groups: bool = True,
    ) -> None:
        super().__init__()
        self.short, self.long, self.text, self.groups = short, long, text, groups
        self.fusion, self.consistency = fusion, consistency
        self.hidden = dict.fromkeys((short, long, text), fusion.states)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have all three; a batch without any costs a zero."""
        (short, long, text), group = shared_rows(batch, self.short, self.long, self.text)
        words = take_features(forwards.features(self.text), text)
        pair_short = self.fusion(take_features(forwards.features(self.short), short), words)
        pair_long = self.fusion(take_features(forwards.features(self.long), long), words)
        outcome = self.consistency(pair_short, pair_long, group if self.groups else None)
        return Outcome(outcome.loss, outcome.terms)
