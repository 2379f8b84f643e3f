"""Phrases against what each reads of its own sample and of all others: a contrast over the phrases of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pad

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.gathering import every_constant, every_group, every_token_set
from crossmod.objectives.pairs.phrases import Phrases
from crossmod.objectives.pairs.precision import unit, widened, without_autocast
from crossmod.objectives.pairs.soft_targets import PairLoss, soft_target_infonce
from crossmod.objectives.pairs.targets import identity
from crossmod.objectives.pairs.token_reads import Read
from crossmod.objectives.pairs.token_scores import TokenSet
from crossmod.state.logit_scale import LogitScale

Reader = Callable[[Tensor, Tensor, Tensor], Read]
"""Of queries [samples, phrases, width], tokens [samples, length, width] and their mask, what each query reads."""


def phrase_negatives(
    owner: Int64[Tensor, "phrases"],
    phrase: Int64[Tensor, "phrases"] | None,
    group: Int64[Tensor, "samples"],
) -> Bool[Tensor, "phrases samples"]:
    """Which samples are negatives of a phrase: those of other groups whose own phrases do not hold the same words.

    Shape:
        owner: [phrases]; the sample that each belongs to.
        phrase: [phrases]; equal numbers are the same words; all are different when None.
        group: [samples]; equal numbers describe the same thing.

    Raises:
        ValueError: A phrase belongs to no sample of the groups, or identities are of other phrases.
    """
    require_shape(owner.shape, phrase=phrase)
    if len(owner) and not 0 <= int(owner.min()) <= int(owner.max()) < len(group):
        raise ValueError(
            f"phrases belong to samples {int(owner.min())} to {int(owner.max())}, but groups are of {len(group)}; pass "
            "one group a sample, and samples counted from 0"
        )
    apart = group[owner][:, None] != group[None, :]
    if phrase is None:
        return apart
    same = (phrase[:, None] == phrase[None, :]).to(torch.float32)
    said = same.new_zeros(len(owner), len(group)).index_add_(1, owner, same) > 0
    return apart & ~said


def local_alignment(
    cosines: Float[Tensor, "phrases samples"],
    owner: Int64[Tensor, "phrases"],
    scale: Float[Tensor, ""],
    negatives: Bool[Tensor, "phrases samples"],
) -> PairLoss:
    """InfoNCE both ways: a phrase finds its sample among samples, and a sample its phrase among phrases.

    cosines[i, v] = <u_i, r_iv>, r_iv what phrase i reads of sample v. Direction a -> b is the softmax of a row over its
    own sample and its negatives; b -> a, for every phrase i, that over itself and the phrases of which i's sample
    is a negative. With one phrase a sample and reads that do not depend on the phrase it is InfoNCE.

    The contrast of SimCroP and of VELVET-Med is [C], and that all samples are read with the phrase's own eyes is ours:
    against reads that others' phrases made, a phrase is told by which places it picks, whatever is there, and the loss
    falls to zero without a look at the image.

    Shape:
        cosines, negatives: [phrases, samples]; owner: [phrases].

    Raises:
        ValueError: There is no phrase, or shapes differ.
    """
    require_shape(cosines.shape, negatives=negatives)
    require_shape(cosines.shape[:1], owner=owner)
    own = torch.arange(cosines.shape[1], device=owner.device) == owner[:, None]
    logits = scale * cosines
    turned = logits[:, owner].T
    itself = torch.eye(len(owner), dtype=torch.bool, device=owner.device)
    return soft_target_infonce(
        logits,
        turned,
        own.to(logits.dtype),
        identity(len(turned), like=turned),
        (negatives & ~own) | own,
        negatives[:, owner].T | itself,
    )


class LocalAlignmentLoss(nn.Module):
    """`local_alignment` of padded phrases at a learned temperature; over processes all phrases and samples meet.

    Args:
        scale: The temperature (1/0.07 to start at in SimCroP's sheet); checkpointed with this module.
    """

    def __init__(self, scale: LogitScale | None = None) -> None:
        super().__init__()
        self.scale = scale if scale is not None else LogitScale()

    def forward(
        self,
        phrases: Phrases,
        tokens: TokenSet,
        read: Reader,
        group: Int64[Tensor, "batch"] | None = None,
        *,
        compare: Callable[[Tensor], Tensor] | None = None,
    ) -> PairTerms:
        """Contrast the phrases of one batch; none at all costs a zero that is attached to both sides.

        Args:
            phrases: Those of every sample.
            tokens: What is read of every sample.
            read: How phrases read.
            group: Samples of one group are no negatives of each other.
            compare: Brings phrases into the space of what they read; None where they are in it.

        Raises:
            ValueError: Phrases, tokens and groups are of different numbers of samples, or masks of other phrases.
        """
        if len(phrases.values) != len(tokens.tokens):
            raise ValueError(
                f"phrases are of {len(phrases.values)} samples and tokens of {len(tokens.tokens)}; pass one row each"
            )
        require_shape(phrases.values.shape[:2], mask=phrases.mask, identity=phrases.identity)
        require_shape(tokens.tokens.shape[:1], group=group)
        scale = self.scale()
        groups = every_group(group, len(tokens.tokens), tokens.tokens.device)
        places, said = every_token_set(tokens), every_token_set(TokenSet(phrases.values, phrases.mask))
        missing = said.mask.shape[1] - phrases.mask.shape[1]
        identities = every_constant(pad(phrases.identity, (0, missing)))[said.mask]
        queries, owner = said.tokens[said.mask], said.mask.nonzero()[:, 0]
        if not len(queries):
            # Widened, as a sum of many half-precision tokens may be infinite, and infinity times zero is no number.
            zero = (widened(queries).sum() + widened(places.tokens[places.mask]).sum()) * 0 * scale
            return PairTerms(zero, {"loss": zero.detach(), "scale": scale.detach()})
        found = read(queries.expand(len(places.tokens), *queries.shape), places.tokens, places.mask).values
        with without_autocast(found):
            own = unit(queries if compare is None else compare(queries))
            cosines = torch.einsum("nd,vnd->nv", own.to(found.dtype), found)
        outcome = local_alignment(cosines, owner, scale, phrase_negatives(owner, identities, groups))
        terms = {**outcome._asdict(), "scale": scale, "phrases": said.mask.sum(1).to(scale.dtype).mean()}
        return PairTerms(outcome.loss, {name: value.detach() for name, value in terms.items()})
