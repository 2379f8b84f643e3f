"""ALBEF's and TCL's contrasts as a term of a recipe: slow towers, their queues, and projections of its own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Features, Tower
from crossmod.errors import UserError
from crossmod.objectives.pairs.momentum import MomentumKeys
from crossmod.objectives.pairs.momentum_gathering import gather_sides
from crossmod.objectives.pairs.precision import unit
from crossmod.objectives.pairs.targets import ramped_share
from crossmod.objectives.pairs.tokens import unit_tokens
from crossmod.objectives.pairs.triple import Side, triple_contrast
from crossmod.state.feature_queue import FeatureQueue
from crossmod.state.logit_scale import LogitScale
from crossmod.state.momentum_twin import MomentumTwin


class MomentumWeights(NamedTuple):
    """How much is distilled, and TCL's two terms beside ALBEF's contrast."""

    share: float = 0.4
    ramp_steps: int = 0
    intra: float = 0.0
    local: float = 0.0


class MomentumSide(nn.Module):
    """One modality: its projection, the slow tower and projection, and the queue of what they gave.

    Args:
        modality: Its name.
        tower: The tower that the slow one follows.
        width: Width of the projection (256 in ALBEF).
        queue: Rows of the queue.
        momentum: Weight of the past in each update (0.995 in ALBEF).
        skip: Leading tokens that are no locals ([CLS]).
    """

    started: Tensor

    def __init__(self, modality: str, tower: Tower, *, width: int, queue: int, momentum: float, skip: int = 0) -> None:
        super().__init__()
        self.modality, self.skip = modality, skip
        self.project = nn.Linear(tower.width, width)
        self.slow_tower, self.slow_project = MomentumTwin(tower, momentum), MomentumTwin(self.project, momentum)
        self.queue = FeatureQueue(queue, width)
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def follow_(self, tower: Tower) -> None:
        """Move the slow parts one step; the first time they become copies, as weights may have been loaded since."""
        past = None if bool(self.started) else 0.0
        self.slow_tower.update_(tower, past)
        self.slow_project.update_(self.project, past)
        self.started.fill_(True)

    def see(self, forwards: Forwards, batch: Batch, rows: Tensor, *, local: bool) -> Side:
        """What the contrast needs of the batch's `rows`.

        Raises:
            UserError: Locals are wanted of a tower without tokens.
        """
        online = self.project(forwards.features(self.modality).pooled[rows])
        slow: Features = self.slow_tower(batch.inputs[self.modality])
        keys = self._keys(unit(self.slow_project(slow.pooled[rows])))
        return Side(online, keys, *(self._locals(slow, rows) if local else (None, None)))

    def see_nothing(self, *, local: bool) -> Side:
        """The side of a process whose batch has no pair: it still holds the queue, and takes part in gathering."""
        width = self.queue.features.shape[1]
        nothing = self.queue.features.new_zeros(0, width)
        none_of = (nothing[:, None], nothing.new_zeros(0, 1, dtype=torch.bool)) if local else (None, None)
        return Side(nothing, self._keys(nothing), *none_of)

    def _keys(self, own: Tensor) -> MomentumKeys:
        return MomentumKeys(own, *self.queue.rows())

    def _locals(self, slow: Features, rows: Tensor) -> tuple[Tensor, Tensor]:
        if slow.tokens is None:
            raise UserError(
                f"MomentumContrast compares {self.modality!r} with its tokens, but its tower returns none; set "
                "local_weight 0 or choose a tower with tokens."
            )
        tokens = self.slow_project(slow.tokens[rows, self.skip :])
        if slow.mask is None:
            mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        else:
            mask = slow.mask[rows, self.skip :]
        return unit_tokens(tokens, mask), mask


class MomentumObjective(Objective):
    """`triple_contrast` against slow towers; without its intra-modal and local terms it is ALBEF's contrast.

    A batch holds one view of each item, so that online and slow features differ by weights and dropout alone. The
    projections belong to this objective: retrieval by embeddings stays the model's own, so pair it with a contrast of
    embeddings that trains them. Several processes give the loss and the gradient of one with all rows, whose keys each
    of them sees.

    Args:
        a: One side.
        b: The other.
        scale: The temperature.
        weights: How much is distilled, and the weights of TCL's terms.
        groups: Whether keys of one group share the target; false takes queued duplicates as negatives (pre-training).
    """

    couples_batch = True
    steps: Tensor

    def __init__(
        self, a: MomentumSide, b: MomentumSide, scale: LogitScale, weights: MomentumWeights, *, groups: bool = True
    ) -> None:
        super().__init__()
        self.a, self.b, self.scale, self.weights, self.groups = a, b, scale, weights, groups
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Move the slow towers, score the rows that have both modalities, then queue them; none at all is a zero.

        Every process takes part in every step, perhaps with no row, so that all queues stay equal.
        """
        position_a, position_b, group = batch.common(self.a.modality, self.b.modality)
        for side in (self.a, self.b):
            side.follow_(forwards.tower(side.modality))
        share = ramped_share(int(self.steps), self.weights.ramp_steps, self.weights.share)
        self.steps += 1
        local = self.weights.local > 0
        if len(group):
            a = self.a.see(forwards, batch, position_a, local=local)
            b = self.b.see(forwards, batch, position_b, local=local)
        else:
            a, b = self.a.see_nothing(local=local), self.b.see_nothing(local=local)
        outcome = self._score(a, b, group, share)
        for side, seen in ((self.a, a), (self.b, b)):
            side.queue.enqueue_(seen.keys.batch, group)
        return outcome

    def _score(self, a: Side, b: Side, group: Tensor, share: float) -> Outcome:
        scale = self.scale()
        a, b, weight = gather_sides(a, b, group)
        if not len(group):
            nothing = scale * 0
            return Outcome(nothing, {"loss": nothing.detach()})
        if not self.groups:
            a, b = (side._replace(keys=side.keys._replace(queue_group=None)) for side in (a, b))
        parts = triple_contrast(
            a,
            b,
            scale,
            share=share,
            intra_weight=self.weights.intra,
            local_weight=self.weights.local,
            group=group if self.groups else None,
        )
        terms: dict[str, Tensor] = {**parts._asdict(), "scale": scale, "queued": scale.new_tensor(len(self.a.queue))}
        return Outcome(weight * parts.loss, {name: value.detach() for name, value in terms.items()})

    def after_step(self) -> None:
        """Clamp the scale."""
        self.scale.clamp_()
