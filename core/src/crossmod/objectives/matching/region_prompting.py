"""ALPRO's pseudo-labels in a recipe: a frozen model names parts of a sample, the student names them from the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tokens, TokenTower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.local.views import draw_view, encode_view, token_coordinates
from crossmod.objectives.local.visible_tower import VisibleTower
from crossmod.objectives.matching.entity_prompter import EntityPrompter, PromptedPseudoLabel
from crossmod.objectives.matching.pair_fusion import ConcatenatedTokens, as_tokens, take_features


class PartEncoder(nn.Module):
    """A trained model's embedding of a part of a sample, given as (tokens, part); the rest is left out or hidden.

    Args:
        model: The trained model, whose tower can encode some of its tokens.
        modality: The modality of the samples.

    Raises:
        UserError: The tower cannot encode a part of a sample.
    """

    def __init__(self, model: CrossModal, modality: str) -> None:
        super().__init__()
        self.tower, self.head = model.tower(modality), model.heads[modality]
        if not isinstance(self.tower, VisibleTower | TokenTower):
            raise UserError(
                f"{type(self.tower).__name__} encodes {modality} as a whole only, so that no part of it can be named; "
                "take a tower of patches or of tokens."
            )

    def tokenise(self, inputs: Any) -> Tokens:
        """The tokens that parts are made of."""
        assert isinstance(self.tower, VisibleTower | TokenTower)
        return self.tower.tokenise(inputs)

    def forward(self, part: tuple[Tokens, Bool[Tensor, "batch length"]]) -> Float[Tensor, "batch dim"]:
        """Embed the parts, not yet normalised."""
        embedded: Tensor = self.head(encode_view(self.tower, *part))
        return embedded


def prompter_of(
    model: CrossModal,
    modality: str,
    text: str,
    names: Sequence[str],
    templates: Sequence[str],
    *,
    renormalise: bool,
    temperature: float,
    threshold: float,
) -> EntityPrompter:
    """A prompter that names parts of one modality by texts that the same trained model embeds."""
    return EntityPrompter.from_names(
        PartEncoder(model, modality),
        lambda texts: model.embed(text, texts),
        names,
        templates,
        renormalise=renormalise,
        temperature=temperature,
        threshold=threshold,
    )


class PromptedRegionsObjective(Objective):
    """Draw a part of each sample, have it named, and name it from the fused tokens of the whole pair (ALPRO's PEM).

    The part is the tokens nearest to one drawn at random, where ALPRO cuts a rectangle out of pictures [ours: towers
    need not have a grid]. The mean over kept parts is one of the whole batch, so chunked backward refuses it; each
    process averages over its own.

    Args:
        whole: The modality that parts are drawn from; its tower has the tokens of the prompter's.
        text: What the whole is fused with.
        fusion: Fuses both into tokens.
        loss: The prompter and the head on fused tokens.
        smallest: Smallest share of the tokens in a part.
        largest: Largest share.
    """

    couples_batch = True

    def __init__(
        self,
        whole: str,
        text: str,
        fusion: ConcatenatedTokens,
        loss: PromptedPseudoLabel,
        *,
        smallest: float,
        largest: float,
    ) -> None:
        super().__init__()
        self.whole, self.text, self.fusion, self.loss = whole, text, fusion, loss
        self.smallest, self.largest = smallest, largest

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both; none, and no part that the prompter is sure of, cost a zero.

        Raises:
            UserError: The tower's tokens are others than the prompter's.
        """
        position, position_text, _ = batch.common(self.whole, self.text)
        inputs = batch.inputs[self.whole].take(position)
        whole = take_features(forwards.features(self.whole), position)
        encode = self.loss.prompter.encode
        assert isinstance(encode, PartEncoder)
        with torch.no_grad():
            tokens = encode.tokenise(inputs)
            part = draw_view(tokens.mask, token_coordinates(encode.tower, tokens), self.smallest, self.largest)
        shape = as_tokens(whole)[1].shape
        if len(position) and shape != part.shape:
            raise UserError(
                f"the tower of {self.whole} has {shape[1]} tokens, the prompter's {part.shape[1]}; "
                "give both the same patches."
            )
        fused = self.fusion.tokens_of_a(whole, take_features(forwards.features(self.text), position_text))
        # Without a row both sides have as many tokens as their towers pad nothing to.
        outcome = self.loss(fused, part if len(position) else part.new_zeros(shape), (tokens, part))
        return Outcome(outcome.loss, outcome.terms)
