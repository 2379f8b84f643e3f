"""Modality inversion: optimise an input of the other side until its encoding is a given embedding.

Cross the Gap (arXiv:2502.04263): OTI turns an embedding of a into pseudo-tokens of text, OVI one of text into
pseudo-patches of a; a search inside one modality then runs between modalities, where contrastive encoders are
calibrated. Every query costs a hundred or more optimiser steps: a diagnosis, not a service. The number of steps is
part of the method: run to it, not to convergence, where the inverted embedding drifts back to the query's own modality.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from crossmod.contracts.batch import Inputs
from crossmod.contracts.tower import Tokens
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.robustness.continuous import require_finite_values
from crossmod.robustness.sentences import token_tower

STEPS, RATE, WEIGHT_DECAY, START_DEVIATION = 150, 0.02, 0.01, 0.02
"""OTI's configuration: the same for all its backbones (OVI takes 1000 steps)."""


@dataclass(frozen=True)
class Inversion:
    """What the optimisation found.

    Attributes:
        embeddings: The inverted embeddings, of unit length.
        pseudo: The input that has them.
        losses: 1 - cosine before each step and after the last.

    Shape:
        embeddings [batch, dim], pseudo [batch, ...], losses [steps + 1, batch].
    """

    embeddings: Float[Tensor, "batch dim"]
    pseudo: Float[Tensor, "batch *shape"]
    losses: Float[Tensor, "steps batch"]


def invert_modality(
    encode: Callable[[Float[Tensor, "batch *shape"]], Float[Tensor, "batch dim"]],
    target: Float[Tensor, "batch dim"],
    shape: Sequence[int],
    *,
    steps: int = STEPS,
    rate: float = RATE,
    weight_decay: float = WEIGHT_DECAY,
    start_deviation: float = START_DEVIATION,
    seed: int = 0,
    release_compat: bool = False,
) -> Inversion:
    """Minimise 1 - cos(target_b, encode(v_b)) over v ~ N(0, start_deviation^2) with AdamW, one problem an item.

    The items do not touch each other: losses are summed, and item b starts from seed + b, so that solving it alone from
    that seed gives the same answer. The released code takes the mean over the batch, whose gradient
    meets AdamW's epsilon at 1/B the size; `release_compat` does the same.

    Args:
        encode: The encoder of the other modality from pseudo-input; frozen (see `attackable`).
        target: The embeddings to be matched.
        shape: Of one item's pseudo-input: [pseudo-tokens, width], or a sample's own shape.
        steps: S; 150 for text (OTI), 1000 for pictures (OVI).
        rate: Learning rate.
        weight_decay: Of AdamW.
        start_deviation: Of the start.
        seed: Of the start.
        release_compat: Mean in place of sum.

    Raises:
        UserError: Nothing to invert, a target that is zero or not finite, or fewer than 0 steps.
    """
    if not target.numel() or steps < 0:
        raise UserError(f"there are {len(target)} embeddings and {steps} steps; give one or more and 0 or more.")
    require_finite_values(target, "the embeddings to be matched")
    if not bool(target.detach().abs().amax(dim=1).gt(0).all()):
        raise UserError("an embedding to be matched is zero, which has no direction; remove it.")
    aim = normalize(target.detach() if target.dtype == torch.float64 else target.detach().float(), dim=1)
    starts = [torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed + b)) for b in range(len(aim))]
    pseudo = (start_deviation * torch.stack(starts)).to(aim).requires_grad_(True)
    optimiser = torch.optim.AdamW([pseudo], lr=rate, weight_decay=weight_decay)
    losses = []
    for _ in range(steps):
        with torch.enable_grad():
            loss = 1 - cosine_similarity(encode(pseudo).to(aim), aim, dim=1)
            (slope,) = torch.autograd.grad(loss.mean() if release_compat else loss.sum(), pseudo)
        pseudo.grad = slope
        optimiser.step()
        losses.append(loss.detach())
    with torch.no_grad():
        embeddings = normalize(encode(pseudo).to(aim), dim=1)
        losses.append(1 - cosine_similarity(embeddings, aim, dim=1))
    return Inversion(embeddings, pseudo.detach(), torch.stack(losses))


def repeat_nearest(tokens: Float[Tensor, "batch few width"], length: int) -> Float[Tensor, "batch length width"]:
    """Stretch a few pseudo-tokens to a sequence by nearest-neighbour repetition (OVI): 4 on 16 give runs of 4.

    Raises:
        UserError: There are more tokens than places.
    """
    few = tokens.shape[1]
    if not 1 <= few <= length:
        raise UserError(f"{few} pseudo-tokens do not fill a sequence of {length}; give 1 to {length}.")
    return tokens[:, torch.arange(length, device=tokens.device) * few // length]


def prompt_encoder(
    model: CrossModal, modality: str, prompt: Inputs, places: Sequence[int]
) -> Callable[[Float[Tensor, "batch few width"]], Float[Tensor, "batch dim"]]:
    """The encoder of a prompt whose tokens at some places are given as vectors, before positions are added (OTI).

    Placeholders are overridden by place, so no word of the vocabulary has to be set aside for them.

    Args:
        model: The model; use it inside `attackable`.
        modality: A modality whose tower is a `TokenTower`.
        prompt: One sample, such as "a point at <v>" with any word for <v>; on the model's device.
        places: Positions among its tokens that the pseudo-tokens take.

    Raises:
        UserError: The tower hides no tokens, the prompt is not one sample, or a place lies outside of it.
    """
    tower = token_tower(model, modality)
    if len(prompt) != 1:
        raise UserError(f"the prompt holds {len(prompt)} samples; give one.")
    with torch.no_grad():
        length = tower.tokenise(prompt).values.shape[1]
    if not places or len(set(places)) < len(places) or min(places) < 0 or max(places) >= length:
        raise UserError(f"the places {list(places)} are not different ones of 0 to {length - 1}.")
    where: Int64[Tensor, "few"] = torch.tensor(places)

    def encode(pseudo: Float[Tensor, "batch few width"]) -> Float[Tensor, "batch dim"]:
        tokens: Tokens = tower.tokenise(prompt.take(torch.zeros(len(pseudo), dtype=torch.int64)))
        values = tokens.values.index_copy(1, where.to(pseudo.device), pseudo.to(tokens.values.dtype))
        keep = torch.ones_like(tokens.mask)
        return model.project(modality, tower.encode(tokens._replace(values=values), keep).pooled)

    return encode
