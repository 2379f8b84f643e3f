"""Masked reconstruction across modalities as a term of a recipe: few visible tokens among all of them (MultiMAE)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tokens
from crossmod.objectives.local.masked_autoencoder import CrossModalDecoder
from crossmod.objectives.local.modality_masking import dirichlet_masking
from crossmod.objectives.local.patch_targets import PatchTarget
from crossmod.objectives.local.patches import sinusoidal_positions
from crossmod.objectives.local.reconstruction import masked_reconstruction_loss
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.objectives.local.uncertainty_weights import UncertaintyWeights
from crossmod.objectives.local.visible_tokens import VisibleTokens
from crossmod.objectives.local.visible_tower import VisibleTower


class ModalityMasking(NamedTuple):
    """How the visible tokens are shared among modalities; see `dirichlet_masking`."""

    visible: int = 98
    concentration: float = 1.0
    subsets_uniformly: bool = False


class MaskedSide(nn.Module):
    """One modality: its way into the joint sequence, and the decoder that rebuilds it from all.

    Args:
        width: Width of the tower's states.
        decoder: Its cross-attention decoder, over the joint width.
        target: What is rebuilt.
        joint_width: Width of the joint sequence.
    """

    def __init__(self, width: int, decoder: CrossModalDecoder, target: PatchTarget, joint_width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, joint_width)
        self.decoder, self.target = decoder, target


class Part(NamedTuple):
    """One modality of a batch: [batch, its length, ...], rows without it all padding."""

    tower: VisibleTower
    tokens: Tokens
    rows: Tensor
    mask: Tensor
    coordinates: Tensor


class MaskedModalitiesObjective(Objective):
    """Every modality's tower sees its visible tokens; each decoder rebuilds its modality from the visible ones of all.

    MultiMAE's one encoder over all modalities becomes the towers, each over its own tokens, and a joint encoder over
    their states [ours; without blocks the towers meet in the decoders alone]. Samples may lack modalities, which
    MultiMAE's released code does not allow [ours]. A sample keeps the same number of visible tokens whatever it has.

    Args:
        sides: By modality.
        joint: The encoder over all visible states.
        masking: How many tokens stay and how modalities share them.
        global_tokens: Learned tokens of no place that go along behind the visible ones, and that decoders read too.
        uncertain: Weigh the losses by learned uncertainties (`UncertaintyWeights`) instead of adding them up.
    """

    couples_batch = False

    def __init__(
        self,
        sides: dict[str, MaskedSide],
        joint: TokenTransformer,
        masking: ModalityMasking,
        *,
        global_tokens: int = 1,
        uncertain: bool = False,
    ) -> None:
        super().__init__()
        self.shared = nn.Parameter(torch.empty(global_tokens, joint.width).normal_(std=0.02))
        self.sides, self.joint, self.masking = nn.ModuleDict(sides), joint, masking
        self.weights = UncertaintyWeights(*sides) if uncertain else None

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """The (weighted) sum over modalities of the mean over rows of what their hidden tokens cost."""
        parts = {name: self._read(forwards, batch, name) for name in self.sides}
        keep = dirichlet_masking(
            {name: part.mask for name, part in parts.items()},
            self.masking.visible,
            self.masking.concentration,
            subsets_uniformly=self.masking.subsets_uniformly,
        )
        seen, shared = self._encode(parts, keep)
        modality = torch.cat([torch.full((part.mask.shape[1],), i) for i, part in enumerate(parts.values())])
        modality = modality.to(seen.place.device)
        mask = torch.cat([part.mask for part in parts.values()], 1)
        losses: dict[str, Tensor] = {}
        for number, (name, part) in enumerate(parts.items()):
            side = self._side(name)
            decoder = side.decoder
            positions = [sinusoidal_positions(each.coordinates, decoder.width) for each in parts.values()]
            placed = torch.cat(positions, 1).to(seen.values.dtype)
            predicted = decoder(seen.values, seen, placed, mask, modality, number, shared)[part.rows]
            hidden = ~keep[name][part.rows]
            target = side.target.read(part.tower, part.tokens)
            loss = masked_reconstruction_loss(side.target.shape(predicted), target, hidden, side.target.error, "row")
            losses[name] = loss * (len(part.rows) / max(1, len(batch)))
        plain = torch.stack(list(losses.values())).sum()
        total = (plain if self.weights is None else self.weights(losses)) + seen.values.sum() * 0
        terms = {name: loss.detach() for name, loss in losses.items()}
        return Outcome(total, {"loss": total.detach(), **terms})

    def _read(self, forwards: Forwards, batch: Batch, name: str) -> Part:
        tower = forwards.tower(name)
        assert isinstance(tower, VisibleTower)
        tokens = tower.tokenise(batch.inputs[name])
        rows = batch.present[name].nonzero()[:, 0]
        places = tower.coordinates(tokens)
        mask = tokens.mask.new_zeros(len(batch), tokens.mask.shape[1]).index_copy(0, rows, tokens.mask)
        whole = places.new_zeros(len(batch), *places.shape[1:]).index_copy(0, rows, places)
        return Part(tower, tokens, rows, mask, whole)

    def _encode(self, parts: dict[str, Part], keep: dict[str, Tensor]) -> tuple[VisibleTokens, Tensor]:
        """The visible tokens' joint states, each with its place in the modalities end to end, and the global ones'."""
        found, offset = [], 0
        for name, part in parts.items():
            visible = (keep[name] & part.mask)[part.rows]
            own = part.tower.encode_visible(part.tokens, visible)
            # Back to one row a sample; a row without the modality holds padding.
            rows = [
                each.new_zeros(len(part.mask), *each.shape[1:]).index_copy(0, part.rows, each)
                for each in (self._side(name).enter(own.values), own.mask, own.place + offset)
            ]
            found.append(VisibleTokens(*rows))
            offset += part.mask.shape[1]
        values = torch.cat([each.values for each in found], 1)
        mask = torch.cat([each.mask for each in found], 1)
        place = torch.cat([each.place for each in found], 1)
        beside = self.shared.to(values.dtype).expand(len(values), -1, -1)
        states = self.joint(torch.cat([values, beside], 1), torch.cat([mask, mask.new_ones(beside.shape[:2])], 1))
        visible, shared = torch.split(states, [values.shape[1], beside.shape[1]], 1)
        return VisibleTokens(visible, mask, place), shared

    def _side(self, name: str) -> MaskedSide:
        side = self.sides[name]
        assert isinstance(side, MaskedSide)
        return side
