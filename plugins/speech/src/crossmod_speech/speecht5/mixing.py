"""Codes in place of some encoder states, so that speech and text meet in one codebook (SpeechT5, arXiv:2110.07205)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.objectives.local.code_usage import code_diversity_loss, code_perplexity
from crossmod.objectives.local.gumbel_quantiser import gumbel_temperature, replace_by_codes
from crossmod_speech.speecht5.tower import SpeechT5Tower, States

if TYPE_CHECKING:
    from crossmod_speech.speecht5.objective_settings import SharedCodes


class CodeMixing(nn.Module):
    """Quantises states and replaces a share of them; its temperature falls with every update.

    Args:
        settings: Share, temperatures and weight of the diversity.
    """

    updates: Int64[Tensor, ""]

    def __init__(self, settings: SharedCodes) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def temperature(self) -> float:
        """Of the next update."""
        held = self.settings
        return gumbel_temperature(int(self.updates), held.temperature, held.least_temperature, held.decay)

    def forward(
        self, tower: SpeechT5Tower, states: States
    ) -> tuple[States, Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """What the decoder reads, the weighted diversity loss, and terms to log."""
        quantised = tower.codebook(states.values, states.mask, self.temperature)
        mixed = replace_by_codes(
            states.values,
            quantised.values,
            states.mask,
            self.settings.share,
            release_compat=self.settings.release_compat,
        )
        diversity = code_diversity_loss(quantised.probabilities)
        perplexity = code_perplexity(quantised.probabilities.detach()).mean().float()
        terms = {"diversity": diversity.detach(), "code_perplexity": perplexity}
        return States(mixed, states.mask), self.settings.diversity * diversity, terms

    def after_step(self) -> None:
        """Count an update."""
        self.updates += 1
