"""One word for all sentences: put in the place of the most important word, it breaks the alignment of most of them.

The text side of C-PGC (ICCV 2025), without its generator [ours]: the word's vector itself descends the loss, is kept as
long as words of the vocabulary are, and the nearest word of the vocabulary that is allowed is what the attack uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from crossmod.contracts.batch import Inputs
from crossmod.contracts.tower import TokenTower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.robustness.continuous import require_finite_values
from crossmod.robustness.universal import (
    Batches,
    GuidedBatch,
    UniversalOptions,
    misalignment,
    paired_batches,
)


@dataclass(frozen=True)
class UniversalWord:
    """The word that was found.

    Attributes:
        token: Its row of the vocabulary; never one that was not allowed.
        vector: The vector before it was brought to that row; its length lies between those of the allowed rows.

    Shape:
        vector: [width].
    """

    token: int
    vector: Float[Tensor, "width"]


def fit_universal_word(
    batches: Batches,
    vocabulary: Float[Tensor, "words width"],
    allowed: Bool[Tensor, "words"],
    *,
    options: UniversalOptions | None = None,
) -> UniversalWord:
    """Descend the malicious loss on one word's vector by Adam, then take the nearest allowed word (L2).

    Args:
        batches: Passes over sentences whose `values` are the vectors of the words to be replaced; see
            `sentence_batch`.
        vocabulary: The vector of every word.
        allowed: Which words may be chosen; leave out stop words, specials and parts of words.
        options: None takes the defaults of `UniversalOptions`; `step_share` has no part in it.

    Raises:
        UserError: No word is allowed, or a vector is not finite.
    """
    options = options or UniversalOptions()
    if allowed.shape != vocabulary.shape[:1] or not bool(allowed.any()):
        raise UserError(
            f"{int(allowed.sum())} of {len(vocabulary)} words are allowed by {len(allowed)} marks; "
            "mark every word, and allow one or more."
        )
    require_finite_values(vocabulary, "the vectors of the vocabulary")
    rows, known = allowed.nonzero()[:, 0], vocabulary.detach()[allowed]
    lengths = known.norm(dim=1)
    shortest, longest = float(lengths.min()), float(lengths.max())
    generator = torch.Generator().manual_seed(options.seed)
    word = known[int(torch.randint(len(known), (1,), generator=generator))].clone().requires_grad_(True)
    optimiser = torch.optim.Adam([word], lr=options.rate, betas=(0.5, 0.999))
    for _ in range(options.epochs):
        for batch, pool in paired_batches(batches, generator):
            with torch.no_grad():
                still = batch.encode(batch.values)
            with torch.enable_grad():
                moved = batch.encode(word.expand(len(batch.values), -1))
                loss = misalignment(moved, still, batch, pool, options)
            (word.grad,) = torch.autograd.grad(loss, word)
            optimiser.step()
            with torch.no_grad():
                length = word.norm().clamp_min(torch.finfo(word.dtype).tiny)
                word.mul_(length.clamp(shortest, longest) / length)
    vector = word.detach()
    return UniversalWord(int(rows[(known - vector).square().sum(dim=1).argmin()]), vector)


def sentence_batch(
    model: CrossModal,
    modality: str,
    inputs: Inputs,
    places: Int64[Tensor, "batch"],
    guides: Float[Tensor, "guides dim"],
    owner: Int64[Tensor, "guides"],
    group: Int64[Tensor, "batch"],
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

    Raises:
        UserError: The tower takes no tokens as vectors, or a place holds no token of its sentence.
    """
    tower = _token_tower(model, modality)
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

    return GuidedBatch(encode, tokens.values[row, places], guides, owner, group)


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
    tower = _token_tower(model, modality)
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


def _token_tower(model: CrossModal, modality: str) -> TokenTower:
    tower = model.tower(modality)
    if not isinstance(tower, TokenTower):
        raise UserError(f"the tower of {modality} is a {type(tower).__name__}, which takes no tokens as vectors.")
    return tower
