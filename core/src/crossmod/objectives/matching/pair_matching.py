"""Does this pair belong together? Cross-entropy on matching pairs and drawn pairs that do not match."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crossmod.contracts.tower import Features
from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.matching.hard_negatives import draw_hard_negatives, negative_pairs
from crossmod.objectives.matching.pair_fusion import PairFusion, take_features
from crossmod.objectives.matching.uniform_negatives import draw_derangement, draw_uniform_negatives, has_derangement

Negatives = Literal["hard", "uniform", "permutation", "replaced"]


class CandidatePairs(NamedTuple):
    """Pairs to score; the matching ones first, unless they are `replaced_candidates`.

    Shape:
        a: [pairs] int64, rows of one side; b: [pairs] int64, rows of the other; matched: [pairs] bool.
    """

    a: Int64[Tensor, "pairs"]
    b: Int64[Tensor, "pairs"]
    matched: Bool[Tensor, "pairs"]


def hard_candidates(
    logits: Float[Tensor, "batch batch"],
    group: Int64[Tensor, "batch"],
    *,
    hard: bool = True,
    generator: torch.Generator | None = None,
) -> CandidatePairs:
    """The B pairs, a negative b for every a, and a negative a for every b (ALBEF: 3B pairs).

    Negatives follow softmax(logits) over the other groups, or are uniform over them. A row whose counterparts are all
    of its own group gets no negative; a batch without any negative gives no pair at all, since positives alone teach
    nothing but to say yes.

    Shape:
        logits: [batch, batch], a by b; group: [batch] int64.

    Raises:
        ValueError: As `draw_hard_negatives`.
    """
    allowed = negative_pairs(group)
    if hard:
        of_a = draw_hard_negatives(logits, allowed, generator=generator, missing="skip")
        of_b = draw_hard_negatives(logits.T, allowed.T, generator=generator, missing="skip")
    else:
        of_a = draw_uniform_negatives(allowed, generator=generator, missing="skip")
        of_b = draw_uniform_negatives(allowed.T, generator=generator, missing="skip")
    return _with_positives(len(group), torch.cat([of_a.row, of_b.column]), torch.cat([of_a.column, of_b.row]))


def permuted_candidates(group: Int64[Tensor, "batch"], *, generator: torch.Generator | None = None) -> CandidatePairs:
    """The B pairs, and each b with the a of another group, every a used once (MolFM's CMM: 2B pairs).

    A batch in which one group has more than half of the rows gives no pair at all.
    """
    if not has_derangement(group):
        nothing = group.new_zeros(0)
        return _with_positives(len(group), nothing, nothing)
    permutation = draw_derangement(group, generator=generator)
    return _with_positives(len(group), permutation, torch.arange(len(group), device=group.device))


def replaced_candidates(
    group: Int64[Tensor, "batch"], *, share: float = 0.5, generator: torch.Generator | None = None
) -> CandidatePairs:
    """One pair a row, its b replaced by one of another group with probability `share` (LXMERT, arXiv:1908.07490).

    A row without another group keeps its own; a batch without two groups gives no pair at all.

    Raises:
        ValueError: The share lies outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of replaced counterparts is {share}; it lies between 0 and 1 (0.5 in LXMERT).")
    drawn = draw_uniform_negatives(negative_pairs(group), generator=generator, missing="skip")
    if not len(drawn.row):
        return CandidatePairs(drawn.row, drawn.column, drawn.row.bool())
    a, matched = torch.arange(len(group), device=group.device), torch.ones_like(group, dtype=torch.bool)
    replaced = torch.rand(len(drawn.row), generator=generator, device=group.device) < share
    b = a.clone()
    b[drawn.row[replaced]] = drawn.column[replaced]
    matched[drawn.row[replaced]] = False
    return CandidatePairs(a, b, matched)


def _with_positives(batch: int, a: Tensor, b: Tensor) -> CandidatePairs:
    if not len(a):
        return CandidatePairs(a, b, a.bool())
    own = torch.arange(batch, device=a.device)
    matched = torch.arange(batch + len(a), device=a.device) < batch
    return CandidatePairs(torch.cat([own, a]), torch.cat([own, b]), matched)


def matching_cross_entropy(logits: Float[Tensor, "pairs 2"], matched: Bool[Tensor, "pairs"]) -> Float[Tensor, ""]:
    """Mean over pairs of -log softmax(logits)[matched], class 1 = matching; a zero with gradient without pairs.

    Half precision is scored in float32.

    Raises:
        ValueError: Shapes do not fit.
    """
    if logits.ndim != 2 or logits.shape[1] != 2 or matched.shape != logits.shape[:1]:
        raise ValueError(
            f"logits of shape {list(logits.shape)} with labels of shape {list(matched.shape)}; give [pairs, 2] "
            "and [pairs]."
        )
    scored = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return cross_entropy(scored, matched.long()) if len(logits) else scored.sum()


class PairMatchingLoss(nn.Module):
    """Draws pairs that do not match, fuses them and the matching ones, and tells them apart.

    L = mean over pairs of the two-way cross-entropy of a linear head on the fused vector. Draws are without gradient
    and from this process's rows alone, as in the released code of ALBEF and MolFM.

    Args:
        fusion: Scores pairs jointly.
        negatives: "hard" draws by similarity (ALBEF, ALPRO), "uniform" independently, "permutation" as MolFM;
            "replaced" scores one pair a row and replaces about half of the counterparts, as LXMERT.
    """

    def __init__(self, fusion: PairFusion, negatives: Negatives = "hard") -> None:
        super().__init__()
        if negatives not in ("hard", "uniform", "permutation", "replaced"):
            raise ValueError(
                f"negatives {negatives!r} are unknown; take 'hard', 'uniform', 'permutation' or 'replaced'."
            )
        self.fusion, self.negatives = fusion, negatives
        self.head = nn.Linear(fusion.width, 2)

    def forward(
        self,
        a: Features,
        b: Features,
        group: Int64[Tensor, "batch"],
        logits: Float[Tensor, "batch batch"] | None = None,
        generator: torch.Generator | None = None,
    ) -> PairTerms:
        """Score one batch of pairs, row i of `a` with row i of `b`.

        Args:
            a: Features of one side.
            b: Features of the other.
            group: Equal numbers describe the same thing and are never negatives.
            logits: Similarities times scale, a by b; needed for "hard" only.
            generator: Of the draws.

        Raises:
            ValueError: Batches differ in size, or hard negatives are asked for without logits.
        """
        if not len(a.pooled) == len(b.pooled) == len(group):
            raise ValueError(
                f"{len(a.pooled)} rows, {len(b.pooled)} counterparts and {len(group)} groups; give one of each a pair."
            )
        pairs = self._candidates(group, logits, generator)
        if not len(pairs.a):
            nothing = a.pooled[:0].float().sum() + b.pooled[:0].float().sum()
            return PairTerms(nothing, {"loss": nothing.detach(), "negatives": nothing.detach()})
        scores = self.head(self.fusion(take_features(a, pairs.a), take_features(b, pairs.b)))
        loss = matching_cross_entropy(scores, pairs.matched)
        right = (scores.detach().argmax(1) == pairs.matched.long()).float()
        terms = {
            "loss": loss.detach(),
            "accuracy": right.mean(),
            "negatives": (~pairs.matched).sum().float(),
        }
        return PairTerms(loss, terms)

    @torch.no_grad()
    def probability(self, a: Features, b: Features) -> Float[Tensor, "pairs"]:
        """P(row i of `a` matches row i of `b`): what `rerank` asks for."""
        matches: Tensor = self.head(self.fusion(a, b)).float().softmax(1)[:, 1]
        return matches

    def _candidates(self, group: Tensor, logits: Tensor | None, generator: torch.Generator | None) -> CandidatePairs:
        if self.negatives == "permutation":
            return permuted_candidates(group, generator=generator)
        if self.negatives == "replaced":
            return replaced_candidates(group, generator=generator)
        if self.negatives == "uniform":
            logits = torch.zeros(len(group), len(group), device=group.device)
        if logits is None:
            raise ValueError("hard negatives are drawn from similarities; give logits, or take negatives='uniform'.")
        return hard_candidates(logits.detach(), group, hard=self.negatives == "hard", generator=generator)
