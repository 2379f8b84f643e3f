"""NEVLP's noise-adaptive contrast as a term of a recipe: it keeps every sample's loss and trusts pairs by it."""

from __future__ import annotations

import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.distributed.world import rank, world_size
from crossmod.errors import UserError
from crossmod.objectives.pairs.gathering import every_constant, every_group, every_row
from crossmod.objectives.pairs.noise import noise_adaptive_infonce
from crossmod.objectives.pairs.two_gaussians import noise_posterior
from crossmod.state.logit_scale import LogitScale
from crossmod.state.sample_statistics import SampleStatistics
from crossmod_kernels import infonce


class NoiseAdaptiveObjective(Objective):
    """`noise_adaptive_infonce` whose posteriors come from the running average of each sample's own loss.

    The table is refitted every `refit_steps` steps once `warmup_steps` have passed; until then nothing is doubted, as
    is a sample that was not seen yet. The table holds plain InfoNCE losses, which doubt does not lower.

    Args:
        a: One modality.
        b: The other.
        scale: The temperature.
        samples: Rows of the corpus.
        warmup_steps: Steps of plain InfoNCE before the first fit.
        refit_steps: Steps between fits; one epoch in NEVLP [C].
        strength: Doubt per posterior (0.5 [C]).
        decay: Weight of the past in a sample's average loss.
        groups: Whether rows of one group are positives of each other.
    """

    couples_batch = True
    steps: Tensor
    posterior: Tensor

    def __init__(
        self,
        a: str,
        b: str,
        scale: LogitScale,
        *,
        samples: int,
        warmup_steps: int,
        refit_steps: int,
        strength: float = 0.5,
        decay: float = 0.9,
        groups: bool = True,
    ) -> None:
        super().__init__()
        self.a, self.b, self.scale, self.groups = a, b, scale, groups
        self.warmup_steps, self.refit_steps, self.strength = warmup_steps, refit_steps, strength
        self.statistics = SampleStatistics(samples, decay)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("posterior", torch.zeros(samples))

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities, then record their losses; none at all is an attached zero."""
        position_a, position_b, group = batch.common(self.a, self.b)
        a, b = forwards.embedding(self.a)[position_a], forwards.embedding(self.b)[position_b]
        sample = batch.sample[batch.present[self.a] & batch.present[self.b]]
        self._refit()
        # Over processes even a share without rows has to take part in the collectives, where it is refused.
        if not len(sample) and world_size() == 1:
            nothing = a.sum() + b.sum()
            return Outcome(nothing, {"loss": nothing.detach()})
        every_a, every_b = every_row(a), every_row(b)
        everyone = every_constant(sample)
        groups = every_group(group if self.groups else None, len(sample), sample.device)
        self._require_known(everyone)
        scale, posterior = self.scale(), self.posterior[everyone]
        parts = noise_adaptive_infonce(every_a, every_b, scale, posterior, strength=self.strength, group=groups)
        with torch.no_grad():
            losses = infonce(every_a, every_b, scale, group_a=groups, group_b=groups, reduction="none")
        own = slice(rank() * len(sample), (rank() + 1) * len(sample)) if world_size() > 1 else slice(None)
        self.statistics.update_(sample, losses[own])
        terms: dict[str, Tensor] = {**parts._asdict(), "scale": scale, "noise": posterior.mean()}
        return Outcome(parts.loss, {name: value.detach() for name, value in terms.items()})

    def after_step(self) -> None:
        """Clamp the scale."""
        self.scale.clamp_()

    @torch.no_grad()
    def _refit(self) -> None:
        due = self.steps >= self.warmup_steps and (self.steps - self.warmup_steps) % self.refit_steps == 0
        self.steps += 1
        seen = self.statistics.seen()
        if bool(due) and len(seen):
            self.posterior[seen] = noise_posterior(self.statistics.average[seen])

    def _require_known(self, sample: Tensor) -> None:
        if int(sample.max()) >= len(self.statistics):
            raise UserError(
                f"the batch has corpus row {int(sample.max())}, but the noise table was made for "
                f"{len(self.statistics)} rows; set samples of NoiseAdaptive to the rows of the corpus, which "
                "`crossmod data look` counts."
            )
