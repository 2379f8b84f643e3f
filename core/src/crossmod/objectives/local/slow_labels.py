"""Soft labels for hidden tokens, from a slow copy of the tower and its prediction head (ALBEF, arXiv:2107.07651)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.tower import Tokens, TokenTower
from crossmod.objectives.pairs.precision import widened
from crossmod.objectives.pairs.targets import ramped_share
from crossmod.state.momentum_twin import MomentumTwin


class SlowLabels(nn.Module):
    """What a slow tower makes of the same corrupted tokens: its probabilities of every token of the vocabulary.

    Slow tower and head move after the step of the optimiser, once whatever the number of chunks: the next step meets
    theta_m = m theta_m + (1 - m) theta, as in ALBEF, which moves them first thing in that step.

    Args:
        tower: The tower that is followed.
        predict: Its prediction head.
        share: Weight of the soft labels beside the true ones (0.4 in ALBEF).
        share_steps: Steps over which that weight grows from zero (ALBEF's first epoch).
        momentum: Weight of the past in each update (0.995 in ALBEF).
    """

    steps: Tensor
    started: Tensor

    def __init__(
        self, tower: TokenTower, predict: nn.Module, *, share: float, share_steps: int = 0, momentum: float = 0.995
    ) -> None:
        super().__init__()
        self.slow_tower, self.slow_predict = MomentumTwin(tower, momentum), MomentumTwin(predict, momentum)
        self.largest_share, self.share_steps = share, share_steps
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        # In a tuple, so that what is followed does not become a part of this one.
        self._followed: tuple[TokenTower, nn.Module] | None = None

    @property
    def share(self) -> float:
        """The weight of the soft labels at the present step."""
        return ramped_share(int(self.steps), self.share_steps, self.largest_share)

    @property
    def _tower(self) -> TokenTower:
        tower = self.slow_tower.module
        assert isinstance(tower, TokenTower)
        return tower

    def follow(self, tower: TokenTower, predict: nn.Module) -> None:
        """Move after these from now on; the first time become copies, as weights may have been loaded meanwhile."""
        if not bool(self.started):
            self.slow_tower.update_(tower, 0.0)
            self.slow_predict.update_(predict, 0.0)
            self.started.fill_(True)
        self._followed = (tower, predict)

    @torch.no_grad()
    def beside(self, tokens: Tokens, inputs: object) -> Tokens:
        """The tokens with the slow tower's own embeddings behind theirs, so that one corruption serves both."""
        slow = self._tower.tokenise(inputs)
        with torch.enable_grad():
            return tokens._replace(values=torch.cat([tokens.values, slow.values.to(tokens.values.dtype)], -1))

    def apart(self, corrupted: Tokens) -> tuple[Tokens, Tokens]:
        """The tower's own corrupted tokens again, and those of the slow one."""
        own, slow = corrupted.values.chunk(2, -1)
        return corrupted._replace(values=own), corrupted._replace(values=slow.detach())

    @torch.no_grad()
    def probabilities(
        self, slow: Tokens, keep: Bool[Tensor, "batch length"], chosen: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "tokens vocabulary"]:
        """The soft labels of the chosen tokens, at least in float32."""
        states = self._tower.encode(slow, keep).tokens
        assert states is not None
        logits: Tensor = self.slow_predict(states[chosen])
        wide = widened(logits)
        return wide.softmax(-1)

    def after_step(self) -> None:
        """Move by one step; called on every process."""
        if self._followed is not None:
            tower, predict = self._followed
            self.slow_tower.update_(tower)
            self.slow_predict.update_(predict)
        self._followed = None
        self.steps += 1
