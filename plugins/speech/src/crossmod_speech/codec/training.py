"""What the codec is trained by: spectra at several resolutions, discriminators, and the distance to its codes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.code_usage import CodeUsage
from crossmod.objectives.local.least_squares_gan import (
    adversary_loss,
    feature_matching_loss,
    generator_loss,
    with_stopped_parameters,
)
from crossmod_speech.codec.discriminators import Discriminators, Judgement
from crossmod_speech.codec.segments import draw_segments
from crossmod_speech.codec.spectrogram import DifferentiableLogMel
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.waveforms import WaveformInputs


class CodecWeights(NamedTuple):
    """Weights of the terms (DistilCodec, arXiv:2505.17426)."""

    mel: float = 45.0
    further_mel: float = 1.0
    matching: float = 2.0
    adversarial: float = 1.0
    commitment: float = 10.0


class CodecTrainingObjective(Objective):
    """45 |mel| + |mel_2| + |mel_3| + 2 matching + sum (1 - D(G))^2 + 10 commitment, and the discriminators' own loss.

    The discriminators live here and not in the model: they are checkpointed with the run and not exported. The
    codebooks take the latents of a step after it. The diversity of codes is logged and not trained, as published.

    Args:
        modality: The modality of the recordings; its tower is a codec.
        tower: That tower.
        spectrograms: What is compared, that of the tower first.
        discriminators: None trains on spectra alone.
        weights: Of the terms.
        segment_frames: Frames of the segments.
        usage_steps: Steps after which the counts of used codes begin anew.
    """

    couples_batch = False
    steps: Tensor

    def __init__(
        self,
        modality: str,
        tower: DistilCodecTower,
        spectrograms: list[DifferentiableLogMel],
        discriminators: Discriminators | None,
        weights: CodecWeights,
        *,
        segment_frames: int,
        usage_steps: int = 200,
    ) -> None:
        super().__init__()
        self.modality, self.weights, self.usage_steps = modality, weights, usage_steps
        self.samples = segment_frames * tower.generator.hop
        self.spectrograms = nn.ModuleList(spectrograms)
        self.discriminators = discriminators
        self.usage = CodeUsage(tower.bottleneck.quantiser.codes, tower.codebooks)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._seen: list[tuple[DistilCodecTower, Tensor, Tensor]] = []
        self._codes: list[Tensor] = []

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score one segment of every recording."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(tower, DistilCodecTower) and isinstance(inputs, WaveformInputs)
        if not len(inputs):
            nothing = torch.stack([p.sum() for p in (*tower.parameters(), *self.parameters())]).sum() * 0.0
            return Outcome(nothing, {"loss": nothing.detach()})
        real = draw_segments(inputs, self.samples)
        latents, mask = tower.latents(real, torch.full((len(real),), self.samples, device=real.device))
        coded = tower.bottleneck(latents, mask)
        if self.training:
            self._seen.append((tower, latents.detach(), mask))
            self._codes.append(coded.codes.flatten(0, 1))
        made = tower.generator(coded.values)
        terms = self._spectral(real, made) | {"commitment": coded.commitment}
        loss = self.weights.mel * terms["mel"] + self.weights.further_mel * terms["further_mel"]
        loss = loss + self.weights.commitment * coded.commitment
        if self.discriminators is not None:
            terms |= self._adversarial(self.discriminators, real, made)
            loss = loss + self.weights.matching * terms["matching"] + self.weights.adversarial * terms["adversarial"]
            loss = loss + terms["discriminators"]
        used = (self.usage.counts > 0).float().mean()
        logged = {name: value.detach() for name, value in terms.items()} | {"loss": loss.detach()}
        return Outcome(loss, logged | {"used": used, "perplexity": self.usage.perplexity().mean().float()})

    def _spectral(self, real: Tensor, made: Tensor) -> dict[str, Float[Tensor, ""]]:
        distances = [functional.l1_loss(each(made), each(real)) for each in self.spectrograms]
        further = torch.stack(distances[1:]).sum() if len(distances) > 1 else torch.zeros_like(distances[0])
        return {"mel": distances[0], "further_mel": further}

    def _adversarial(self, discriminators: Discriminators, real: Tensor, made: Tensor) -> dict[str, Float[Tensor, ""]]:
        count = len(real)
        both = discriminators(torch.cat([real, made.detach()]))
        of_real = [Judgement(each.scores[:count], [layer[:count] for layer in each.layers]) for each in both]
        judged = with_stopped_parameters(discriminators, made)
        assert isinstance(judged, list)
        return {
            "discriminators": adversary_loss([each.scores for each in of_real], [each.scores[count:] for each in both]),
            "adversarial": generator_loss([each.scores for each in judged]),
            "matching": feature_matching_loss([each.layers for each in of_real], [each.layers for each in judged]),
        }

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the codebooks towards the step's latents and count its codes; called on every process."""
        if int(self.steps) % self.usage_steps == 0:
            self.usage.reset()
        if self._seen:
            tower = self._seen[0][0]
            self.usage.update(torch.cat(self._codes))
            tower.bottleneck.update(
                torch.cat([latents for _, latents, _ in self._seen]), torch.cat([mask for _, _, mask in self._seen])
            )
        self._seen, self._codes = [], []
        self.steps += 1
