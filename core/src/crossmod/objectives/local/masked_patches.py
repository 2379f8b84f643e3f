"""The masked autoencoder as a term of a recipe: hide most patches of one modality, rebuild them (arXiv:2111.06377)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.masked_autoencoder import TokenDecoder
from crossmod.objectives.local.maskers import block_masking, span_masking, tube_masking, uniform_masking
from crossmod.objectives.local.patch_targets import PatchTarget
from crossmod.objectives.local.patches import sinusoidal_positions
from crossmod.objectives.local.reconstruction import Reduction, masked_reconstruction_loss, share_of_rows
from crossmod.objectives.local.visible_tower import VisibleTower

MaskerKind = Literal["uniform", "block", "span", "tube"]


class PatchMasker(NamedTuple):
    """Which patches are hidden.

    Attributes:
        kind: "uniform", "block" (the patches nearest to a random one), "span" (runs) or "tube" (all times of a place).
        share: Share of the patches that are hidden.
        span_length: Patches of a span.
        time_axis: The axis of the coordinates that tubes run along.
    """

    kind: MaskerKind
    share: float
    span_length: int = 10
    time_axis: int = 0

    def draw(self, mask: Tensor, coordinates: Tensor) -> Tensor:
        """[batch, length]; false = hidden."""
        keep: Tensor
        if self.kind == "uniform":
            keep = uniform_masking(mask, self.share)
        elif self.kind == "block":
            keep = block_masking(mask, coordinates, self.share)
        elif self.kind == "tube":
            keep = tube_masking(mask, coordinates, self.share, time_axis=self.time_axis)
        else:
            keep = span_masking(mask, self.share, self.span_length)
        return keep


class MaskedPatchesObjective(Objective):
    """Encode the visible patches only, rebuild the hidden ones with a light decoder.

    Args:
        modality: The modality whose patches are hidden; its tower is a `VisibleTower`.
        decoder: Predicts `target.outputs` numbers for every patch.
        masker: Which patches are hidden.
        target: What is predicted of them.
        reduction: "row", exact in chunks, or "token", the mean over all hidden patches at once (MAE).
    """

    couples_batch = False

    def __init__(
        self,
        modality: str,
        decoder: TokenDecoder,
        masker: PatchMasker,
        target: PatchTarget,
        *,
        reduction: Reduction = "row",
    ) -> None:
        super().__init__()
        self.modality, self.decoder = modality, decoder
        self.masker, self.target, self.reduction = masker, target, reduction

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Hide, encode what is left, rebuild; scores only the hidden patches."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, VisibleTower)
        tokens = tower.tokenise(batch.inputs[self.modality])
        coordinates = tower.coordinates(tokens)
        keep = self.masker.draw(tokens.mask, coordinates)
        visible = tower.encode_visible(tokens, keep & tokens.mask)
        positions = sinusoidal_positions(coordinates, self.decoder.width).to(visible.values.dtype)
        prediction = self.target.shape(self.decoder(visible.values, visible, positions, tokens.mask))
        target = self.target.read(tower, tokens)
        loss = masked_reconstruction_loss(prediction, target, ~keep, self.target.error, self.reduction)
        loss = loss * share_of_rows(len(keep), len(batch), self.reduction)
        hidden = (~keep).sum() / tokens.mask.sum().clamp(min=1)
        return Outcome(loss, {"loss": loss.detach(), "hidden": hidden})
