"""Sentences with one free word: what an attack on words puts a vector into, and which word of each it takes."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from crossmod.contracts.batch import Inputs
from crossmod.contracts.tower import TokenTower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.robustness.universal import GuidedBatch


def sentence_batch(
    model: CrossModal,
    modality: str,
    inputs: Inputs,
    places: Int64[Tensor, "batch"],
    guides: Float[Tensor, "guides dim"],
    owner: Int64[Tensor, "guides"],
    group: Int64[Tensor, "batch"],
    clean: Float[Tensor, "batch dim"] | None = None,
) -> GuidedBatch:
    """Sentences with one free word each, as `fit_universal_word` takes them.

    Args:
        model: The model; use it inside `attackable`.
        modality: A modality whose tower is a `TokenTower`.
        inputs: The sentences, on the model's device.
        places: For each, the token that is replaced; see `important_places`.
        guides: Embeddings of the other modality.
        owner: For each guide, the sentence that describes it.
        group: Equal numbers are never each other's targets.
        clean: Embeddings of the sentences as they were; None takes those of `inputs`.

    Raises:
        UserError: The tower takes no tokens as vectors, or a place holds no token of its sentence.
    """
    tower = token_tower(model, modality)
    with torch.no_grad():
        tokens = tower.tokenise(inputs)
    row = torch.arange(len(inputs), device=tokens.values.device)
    if len(places) != len(row) or not bool(((places >= 0) & (places < tokens.mask.shape[1])).all()):
        raise UserError(f"the places {places.tolist()} are not one a sentence, of {tokens.mask.shape[1]} tokens.")
    if not bool(tokens.mask[row, places].all()):
        empty = int((~tokens.mask[row, places]).nonzero()[0])
        raise UserError(f"sentence {empty} has no word at token {int(places[empty])}; choose one of its words.")
    keep = torch.ones_like(tokens.mask)

    def encode(words: Float[Tensor, "batch width"]) -> Float[Tensor, "batch dim"]:
        values = tokens.values.index_put((row, places), words.to(tokens.values.dtype))
        return model.project(modality, tower.encode(tokens._replace(values=values), keep).pooled)

    return GuidedBatch(encode, tokens.values[row, places], guides, owner, group, clean)


@torch.no_grad()
def important_places(
    model: CrossModal, modality: str, inputs: Inputs, allowed: Bool[Tensor, "words"]
) -> Int64[Tensor, "batch"]:
    """The token of every sentence whose hiding changes its embedding most: argmax KL(softmax f(t) || softmax f(t, w)).

    SGA's importance; a token is hidden by the tower's own mask token in place of [UNK] [ours]. Equal ones: the first.

    Args:
        model: The model, in evaluation mode.
        modality: A modality whose tower is a `TokenTower`.
        inputs: The sentences, on the model's device.
        allowed: Which words may be replaced, by token.

    Raises:
        UserError: The tower hides no tokens, or a sentence has no word that may be replaced.
    """
    tower = token_tower(model, modality)
    tokens = tower.tokenise(inputs)
    free = tokens.mask & allowed.to(tokens.mask.device)[tokens.targets]
    lonely = ~free.any(dim=1)
    if bool(lonely.any()):
        raise UserError(f"sentence {int(lonely.nonzero()[0])} has no word that may be replaced; leave it out.")
    every = torch.ones_like(tokens.mask)
    whole = log_softmax(model.project(modality, tower.encode(tokens, every).pooled).double(), dim=1)
    importance = whole.new_full(free.shape, -torch.inf)
    for place in range(free.shape[1]):
        keep = every.clone()
        keep[:, place] = False
        hidden = log_softmax(model.project(modality, tower.encode(tokens, keep).pooled).double(), dim=1)
        importance[:, place] = kl_div(hidden, whole, reduction="none", log_target=True).sum(dim=1)
    importance = importance.masked_fill(~free, -torch.inf)
    return (importance == importance.amax(dim=1, keepdim=True)).long().argmax(dim=1)


def token_tower(model: CrossModal, modality: str) -> TokenTower:
    """The tower of a modality, which has to take tokens as vectors.

    Raises:
        UserError: It does not.
    """
    tower = model.tower(modality)
    if not isinstance(tower, TokenTower):
        raise UserError(
            f"the tower of {modality} is a {type(tower).__name__}, which takes no tokens as vectors; take a model "
            "with a text transformer (attacks on its words can be shown to this one by --transfer)."
        )
    return tower
