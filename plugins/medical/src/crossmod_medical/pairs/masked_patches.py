"""Masked patches of an image that a text describes."""

from __future__ import annotations

import torch

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.masked_autoencoder import TokenDecoder
from crossmod.objectives.local.maskers import uniform_masking
from crossmod.objectives.local.patches import sinusoidal_positions, standardise_patches
from crossmod.objectives.local.reconstruction import masked_reconstruction_loss
from crossmod.text.block import masked_mean
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.pairs.no_pairs import nothing_to_score
from crossmod_medical.pairs.stand_ins import Side
from crossmod_medical.pairs.tower import CoAttentionPairTower


class PairMaskedPatchesObjective(Objective):
    """Encode the visible patches, fuse with the whole text, rebuild the others from an early layer's states.

    L = sum over hidden patches of mean squared error / number of hidden patches. Layers of the fusion above `layer`
    are neither run nor trained by this term. Without a class token, the mean of the visible patches stands first.

    Args:
        modality: The modality of the pairs.
        decoder: Predicts the values of every patch.
        share, layer, standardised: As in `PairMaskedPatches`.
    """

    couples_batch = False

    def __init__(self, modality: str, decoder: TokenDecoder, *, share: float, layer: int, standardised: bool) -> None:
        super().__init__()
        self.modality, self.decoder = modality, decoder
        self.share, self.layer, self.standardised = share, layer, standardised

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the hidden patches of the pairs that have both sides."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(tower, CoAttentionPairTower) and isinstance(inputs, PairInputs)
        pairs = inputs.take(inputs.complete.nonzero()[:, 0])
        if not len(pairs):
            return nothing_to_score(tower(pairs).pooled, self.decoder)
        # One draw a pair: an image that several pairs share is hidden differently in each.
        tokens = tower.image.tokenise(pairs.images.take(pairs.picture))
        keep = uniform_masking(tokens.mask, self.share)
        visible, first = tower.image.encode_visible_and_class(tokens, keep)
        if first is None:
            first = masked_mean(visible.values, visible.mask)
        states = torch.cat([first[:, None], visible.values], 1)
        states = states if tower.standardise is None else tower.standardise.settled(states)
        visual = Side(states, torch.cat([visible.mask.new_ones(len(first), 1), visible.mask], 1))
        fused = tower.fuse(visual, tower.textual(pairs), layers=self.layer).a[-1][:, 1:]
        positions = sinusoidal_positions(tower.image.coordinates(tokens), self.decoder.width).to(fused.dtype)
        prediction = self.decoder(fused, visible, positions, tokens.mask)
        target = tower.image.patches(tokens)
        target = standardise_patches(target) if self.standardised else target
        loss = masked_reconstruction_loss(prediction, target, ~keep)
        return Outcome(loss, {"loss": loss.detach()})
