"""EA-VTR's two terms in a recipe: captions of single moments, and texts told in the wrong order (arXiv:2407.07478)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.contracts.batch import AttachedInputs, Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.errors import UserError
from crossmod.objectives.matching.attached_inputs import attached_by_row, embed_attached, find_attached
from crossmod.objectives.matching.event_contrast import LocalTextContrast, OrderContrast
from crossmod.objectives.matching.pair_fusion import as_tokens


class EventOrderObjective(Objective):
    """(spec) Contrast recordings with their texts, each beside its own wrong orders (ETL).

    Chunked backward encodes the batch in chunks, but the wrong orders at once.

    Args:
        a: The modality of the recording.
        b: The modality of the text.
        reordered_b: Name under which the corpus attaches texts told in other orders, items of modality `b`.
        reordered_a: Name of recordings with their events in other orders, items of modality `a`; None has none.
        loss: The contrast.
        groups: Whether rows of one group share their target.
    """

    couples_batch = True

    def __init__(
        self, a: str, b: str, reordered_b: str, reordered_a: str | None, loss: OrderContrast, *, groups: bool = True
    ) -> None:
        super().__init__()
        self.a, self.b, self.reordered_a, self.reordered_b = a, b, reordered_a, reordered_b
        self.loss, self.groups = loss, groups

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both; those without a wrong order meet the batch alone, and none costs a zero.

        Raises:
            UserError: The corpus attaches nothing of that name, or items of another modality.
        """
        position_a, position_b, group = batch.common(self.a, self.b)
        rows = (batch.present[self.a] & batch.present[self.b]).nonzero()[:, 0]
        a, b = forwards.embedding(self.a)[position_a], forwards.embedding(self.b)[position_b]
        wrong_b = attached_by_row(forwards, self._orders(batch, self.reordered_b, self.b), rows, b)
        wrong_a = None
        if self.reordered_a is not None:
            wrong_a = attached_by_row(forwards, self._orders(batch, self.reordered_a, self.a), rows, a)
        if not self.groups:
            group = batch.sample[rows]
        others = (None, None) if wrong_a is None else (wrong_a.embedding, wrong_a.mask)
        outcome = self.loss(a, b, group, wrong_b.embedding, wrong_b.mask, *others)
        return Outcome(outcome.loss, outcome.terms)

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()

    @staticmethod
    def _orders(batch: Batch, name: str, modality: str) -> AttachedInputs:
        attached = find_attached(batch, name)
        if attached.modality != modality:
            raise UserError(
                f"what the corpus attaches as {name!r} are items of {attached.modality!r}, but wrong orders of "
                f"{modality!r} are wanted; swap the modalities or the names."
            )
        return attached


class CaptionedMomentsObjective(Objective):
    """(spec) Contrast single moments of a recording, which are tokens of its tower, with their captions (ECL).

    Moments and captions are projected as whole recordings and texts are, so that they can be searched together.
    It needs tokens, so chunked backward refuses it.

    Args:
        a: The modality of the recording, whose tower gives one token a moment.
        captions: Name under which the corpus attaches captions, with the token that each speaks of.
        loss: The contrast; captions of one group that say nearly the same are no negatives of each other.
    """

    couples_batch = True

    def __init__(self, a: str, captions: str, loss: LocalTextContrast) -> None:
        super().__init__()
        self.a, self.captions, self.loss = a, captions, loss

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the captions of rows that have the recording; a batch without any costs a zero.

        Raises:
            UserError: The corpus attaches no captions of that name, or one speaks of a moment that is not there.
        """
        attached = find_attached(batch, self.captions)
        chosen = batch.present[self.a][attached.row].nonzero()[:, 0]
        row, place = attached.row[chosen], attached.place[chosen]
        recording = (torch.cumsum(batch.present[self.a], 0) - 1)[row]
        local = forwards.project(self.a, self._moments(forwards, recording, place))
        if len(chosen):
            part = AttachedInputs(attached.modality, attached.inputs.take(chosen), row, place)
            text = embed_attached(forwards, part)
        else:
            text = local
        outcome = self.loss(local, text, batch.group[row])
        return Outcome(outcome.loss, outcome.terms)

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()

    def _moments(self, forwards: Forwards, recording: Tensor, place: Tensor) -> Float[Tensor, "captions width"]:
        features = forwards.features(self.a)
        tokens, mask = as_tokens(features)
        there = (place >= 0) & (place < tokens.shape[1])
        there = there & mask[recording, place.clamp(0, max(0, tokens.shape[1] - 1))] if len(place) else there
        if not bool(there.all()):
            first = int((~there).nonzero()[0, 0])
            raise UserError(
                f"a caption attached as {self.captions!r} speaks of token {int(place[first])} of a {self.a} with "
                f"{int(mask[recording[first]].sum())}, counted from 0; attach captions to moments that the tower gives "
                "a token."
            )
        return tokens[recording, place]
