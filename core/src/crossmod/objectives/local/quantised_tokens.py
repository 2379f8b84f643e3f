"""Vector quantisation as a term of a recipe: towers' tokens through one shared codebook, and back to what they were."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import TokenTower
from crossmod.objectives.local.code_usage import CodeUsage, code_diversity_loss
from crossmod.objectives.local.gumbel_quantiser import GumbelQuantiser, gumbel_temperature
from crossmod.objectives.local.patch_targets import PatchTarget
from crossmod.objectives.local.reconstruction import masked_reconstruction_loss, share_of_rows, squared_error
from crossmod.objectives.local.residual_quantiser import ResidualQuantiser
from crossmod.objectives.local.visible_tokens import gather_visible
from crossmod.objectives.local.visible_tower import VisibleTower


class QuantisedWeights(NamedTuple):
    """Weights beside the reconstruction's one. (Commitment: 0.25 in VQ-VAE, 10 in DistilCodec; diversity: 0.1.)"""

    commitment: float = 0.25
    diversity: float = 0.1


class QuantisedSide(nn.Module):
    """One modality: its way to the codebook's width, and from codes back to what its tokens stand for.

    Args:
        width: Width of the tower's states.
        code_width: Width of the codebook.
        target: What is to be rebuilt.
    """

    def __init__(self, width: int, code_width: int, target: PatchTarget) -> None:
        super().__init__()
        self.target = target
        self.enter = nn.Linear(width, code_width)
        self.leave = nn.Sequential(
            nn.Linear(code_width, 2 * code_width), nn.GELU(), nn.Linear(2 * code_width, target.outputs)
        )


class QuantisedTokensObjective(Objective):
    """Rebuild every token from its code: VQ-VAE with moving averages (arXiv:1711.00937), or SpeechT5's Gumbel codes.

    All modalities meet in one codebook. A codebook of moving averages takes the features of a step after it, all
    chunks and processes at once; what the loss adds is exact in chunks. The diversity term of Gumbel codes is of a
    chunk's own mean probabilities and is not [ours: as in released code, which takes each process's].

    Args:
        sides: By modality; towers of patches (`VisibleTower`) or of tokens (`TokenTower`).
        quantiser: Moving averages in one stage or several, or Gumbel codes.
        weights: Of commitment and diversity.
        usage_steps: Steps after which the counts of used codes begin anew.
    """

    couples_batch = False
    steps: Tensor

    def __init__(
        self,
        sides: dict[str, QuantisedSide],
        quantiser: ResidualQuantiser | GumbelQuantiser,
        weights: QuantisedWeights,
        *,
        usage_steps: int = 1000,
    ) -> None:
        super().__init__()
        self.sides = nn.ModuleDict(sides)
        self.quantiser, self.weights, self.usage_steps = quantiser, weights, usage_steps
        if isinstance(quantiser, GumbelQuantiser):
            self.usage = CodeUsage(quantiser.codes, quantiser.groups)
        else:
            self.usage = CodeUsage(len(quantiser.stages[0].get_buffer("codebook")), len(quantiser.stages))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._features: list[Tensor] = []
        self._codes: list[Tensor] = []

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """The sum over modalities of reconstruction, commitment and diversity."""
        total = torch.zeros((), device=batch.group.device)
        terms: dict[str, Tensor] = {}
        for modality, side in self.sides.items():
            assert isinstance(side, QuantisedSide)
            loss, rebuilt = self._score(forwards, batch, modality, side)
            total = total + loss
            terms[f"{modality}_rebuilt"] = rebuilt.detach()
        counts = self.usage.counts
        used = (counts > 0).float().mean()
        terms |= {"loss": total.detach(), "used": used, "perplexity": self.usage.perplexity().mean().float()}
        return Outcome(total, terms)

    def _score(self, forwards: Forwards, batch: Batch, modality: str, side: QuantisedSide) -> tuple[Tensor, Tensor]:
        states, mask, targets = read_tokens(forwards.tower(modality), batch.inputs[modality], side.target)
        features = side.enter(states)
        rows = share_of_rows(len(mask), len(batch), "row")
        if isinstance(self.quantiser, GumbelQuantiser):
            temperature = gumbel_temperature(int(self.steps))
            values, codes, probabilities = self.quantiser(features, mask, temperature)
            beside = self.weights.diversity * code_diversity_loss(probabilities) if len(codes[mask]) else 0.0
        else:
            values, codes, _ = self.quantiser(features, mask)
            # Of each token's own distance and not the quantiser's mean over tokens, which chunks do not add up to.
            distance = masked_reconstruction_loss(features, values.detach(), mask, squared_error, "row")
            beside = self.weights.commitment * distance
        if self.training:
            self._features.append(features[mask].detach())
            self._codes.append(codes[mask].detach())
        predicted = side.target.shape(side.leave(values))
        rebuilt = masked_reconstruction_loss(predicted, targets, mask, side.target.error, "row") * rows
        return rebuilt + beside * rows, rebuilt

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the codebook towards the step's features and count its codes; called on every process."""
        counts = self.usage.counts
        codes = torch.cat(self._codes) if self._codes else counts.new_zeros(0, len(counts))
        if int(self.steps) % self.usage_steps == 0:
            self.usage.reset()
        self.usage.update(codes)
        if isinstance(self.quantiser, ResidualQuantiser):
            codebook = self.quantiser.stages[0].get_buffer("codebook")
            self.quantiser.update(torch.cat(self._features) if self._features else codebook[:0])
        self._features, self._codes = [], []
        self.steps += 1


def read_tokens(
    tower: object, inputs: object, target: PatchTarget
) -> tuple[Float[Tensor, "batch length width"], Bool[Tensor, "batch length"], Int64[Tensor, "batch length"] | Tensor]:
    """States of all tokens, which of them are real, and what each is to be rebuilt to."""
    if isinstance(tower, VisibleTower):
        tokens = tower.tokenise(inputs)
        seen = tower.encode_visible(tokens, tokens.mask)
        wanted = target.read(tower, tokens)
        return seen.values, seen.mask, gather_visible(wanted, tokens.mask).values
    assert isinstance(tower, TokenTower)
    tokens = tower.tokenise(inputs)
    states = tower.encode(tokens, torch.ones_like(tokens.mask)).tokens
    assert states is not None
    return states, tokens.mask, target.read(tower, tokens)
