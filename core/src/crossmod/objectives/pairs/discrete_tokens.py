"""FDT as a term of a recipe: both modalities grounded in one codebook, then contrasted (arXiv:2303.14865)."""

from __future__ import annotations

from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.distributed.world import world_size
from crossmod.objectives.info_nce import InfoNCELoss
from crossmod.objectives.pairs.codebook import CodebookGrounding
from crossmod.objectives.pairs.token_features import tokens_of
from crossmod.state.logit_scale import LogitScale


class DiscreteTokenObjective(Objective):
    """Symmetric InfoNCE between what two modalities' tokens say in a shared codebook.

    The codebook belongs to this objective: retrieval by embeddings stays the model's own, so pair it with a contrast
    of embeddings that trains them.

    Args:
        a: One modality.
        b: The other.
        grounding: The codebook and its query nets.
        scale: The temperature.
        skip: Leading tokens of each side that are left out ([CLS]).
        groups: Whether rows of one group are positives of each other.
    """

    couples_batch = True

    def __init__(
        self,
        a: str,
        b: str,
        grounding: CodebookGrounding,
        scale: LogitScale,
        *,
        skip: tuple[int, int] = (0, 0),
        groups: bool = True,
    ) -> None:
        super().__init__()
        self.a, self.b, self.grounding, self.skip, self.groups = a, b, grounding, skip, groups
        self.contrast = InfoNCELoss(scale)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities; none at all is a zero."""
        position_a, position_b, group = batch.common(self.a, self.b)
        if not len(group) and world_size() == 1:
            nothing = self.contrast.scale() * 0
            return Outcome(nothing, {"loss": nothing.detach()})
        a = self.grounding("a", *tokens_of(forwards, self.a, position_a, self.skip[0]))
        b = self.grounding("b", *tokens_of(forwards, self.b, position_b, self.skip[1]))
        outcome = self.contrast(a.embedding, b.embedding, group if self.groups else None)
        terms: dict[str, Tensor] = {**outcome.terms}
        for name, weights in (("a", a.weights), ("b", b.weights)):
            used = weights.detach() > 0
            terms[f"support_{name}"] = used.sum(1).float().mean()
            # Dead codes: nothing in the method prevents them, so the share that a batch touches is logged.
            terms[f"codes_used_{name}"] = used.any(0).float().mean()
        return Outcome(outcome.loss, terms)

    def after_step(self) -> None:
        """Clamp the scale."""
        self.contrast.scale.clamp_()
