"""Local alignment as a term of a recipe: phrases with selected tokens (SimCroP), or with attended ones (VELVET-Med)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.distributed.world import world_size
from crossmod.objectives.local.evidence import visible_part
from crossmod.objectives.local.patches import grid_coordinates, sinusoidal_positions
from crossmod.objectives.matching.pair_fusion import as_tokens
from crossmod.objectives.pairs.aligned_phrases import LocalAlignmentLoss
from crossmod.objectives.pairs.phrases import Phrases, PhraseTower
from crossmod.objectives.pairs.precision import widened
from crossmod.objectives.pairs.token_reads import AttentionRead, Read, read_selected, select_top_tokens
from crossmod.objectives.pairs.token_scores import TokenSet


class TopKLocalAlignObjective(Objective):
    """Align every phrase of b with the few tokens of a that it is most similar to (SimCroP).

    The abstract has the selection of patches for each sentence; k, the read-out and the contrast are [C]. Phrases and
    tokens go through the model's own projections, so that a finished model finds places by phrases without this term,
    and phrases stand in one space with its embeddings. Tokens are drawn anew here: other terms of a recipe that hide
    tokens of a see others [ours].

    Args:
        a: The modality whose tokens are selected.
        b: The modality of the phrases; its tower is a `PhraseTower`.
        loss: The contrast.
        hidden_share: Share of a's tokens that are hidden first; only visible ones are selected from.
        share, least: As `select_top_tokens`.
        temperature: As `read_selected`.
    """

    couples_batch = True

    def __init__(
        self,
        a: str,
        b: str,
        loss: LocalAlignmentLoss,
        *,
        hidden_share: float = 0.75,
        share: float = 0.05,
        least: int = 8,
        temperature: float = 0.0,
    ) -> None:
        super().__init__()
        self.a, self.b, self.loss, self.hidden_share = a, b, loss, hidden_share
        self.share, self.least, self.temperature = share, least, temperature

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the phrases of the rows that have both modalities; none at all is a zero."""
        position_a, position_b, group = batch.common(self.a, self.b)
        phrases = phrases_of(forwards, batch, self.b).take(position_b)
        if not len(group) and world_size() == 1:
            return _nothing(self.loss, phrases)
        part = visible_part(forwards, batch, self.a, position_a, self.hidden_share)
        tokens = TokenSet(forwards.project(self.a, part.values), part.mask)
        queries = phrases._replace(values=forwards.project(self.b, phrases.values))
        outcome = self.loss(queries, tokens, self.read, group)
        return Outcome(outcome.loss, outcome.terms)

    def read(self, queries: Tensor, tokens: Tensor, mask: Tensor) -> Read:
        """What phrases read of the tokens that each is most similar to."""
        selected = select_top_tokens(queries, tokens, mask, share=self.share, least=self.least)
        return read_selected(queries, tokens, selected, mask, temperature=self.temperature)

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()


class AttendedLocalAlignObjective(Objective):
    """Align every phrase of b with what it reads of a by cross-attention (VELVET-Med's sentences and regions).

    The abstract has correspondence at several levels; cross-attention, the level of the map and the contrast are [C].
    The projections belong to this objective: retrieval by embeddings is another term's.

    Args:
        a: The modality that is read.
        b: The modality of the phrases; its tower is a `PhraseTower`.
        widths: Width of a's tokens on that map, and of the phrases.
        width: Width that both are compared in.
        loss: The contrast.
        stage: Which of the maps that a's tower returns as `hidden`, from 0 at the finest; -1 takes its tokens. Places
            of a map are normalised and get sine-cosine positions: networks of windows and convolutions do not say where
            they are, and phrases name sides [ours].
    """

    couples_batch = True

    def __init__(
        self, a: str, b: str, widths: tuple[int, int], width: int, loss: LocalAlignmentLoss, *, stage: int = -1
    ) -> None:
        super().__init__()
        self.a, self.b, self.loss, self.stage = a, b, loss, stage
        self.norm = nn.LayerNorm(widths[0])
        self.read = AttentionRead(widths[1], widths[0], width)
        self.project = nn.Linear(widths[1], width, bias=False)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the phrases of the rows that have both modalities; none at all is a zero."""
        position_a, position_b, group = batch.common(self.a, self.b)
        phrases = phrases_of(forwards, batch, self.b).take(position_b)
        if not len(group) and world_size() == 1:
            return _nothing(self.loss, phrases)
        tokens = self.places(forwards)
        chosen = TokenSet(tokens.tokens[position_a], tokens.mask[position_a])
        outcome = self.loss(phrases, chosen, self.read, group, compare=self.project)
        return Outcome(outcome.loss, outcome.terms)

    def places(self, forwards: Forwards) -> TokenSet:
        """What phrases attend to: normalised tokens, those of a map with their positions."""
        tokens = staged_tokens(forwards, self.a, self.stage)
        normed = self.norm(tokens.tokens)
        hidden = forwards.features(self.a).hidden
        if hidden is None or self.stage == -1:
            return tokens._replace(tokens=normed)
        return tokens._replace(tokens=normed + _grid_positions(hidden[self.stage]))

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()


def phrases_of(forwards: Forwards, batch: Batch, modality: str) -> Phrases:
    """The phrases of all rows that have the modality."""
    tower = forwards.tower(modality)
    assert isinstance(tower, PhraseTower)
    return tower.phrases(batch.inputs[modality], forwards.features(modality))


def staged_tokens(forwards: Forwards, modality: str, stage: int) -> TokenSet:
    """The places of one of a tower's maps as tokens, row-major; stage -1 takes the tower's tokens.

    Raises:
        ValueError: The tower returns no such map.
    """
    features = forwards.features(modality)
    if stage == -1 and features.tokens is not None:
        return TokenSet(*as_tokens(features))
    maps = features.hidden or ()
    if not -1 <= stage < len(maps):
        raise ValueError(f"an objective reads map {stage} of {modality!r}, whose tower returns {len(maps)}; take -1.")
    values = maps[stage].flatten(2).transpose(1, 2)
    return TokenSet(values, values.new_ones(values.shape[:2], dtype=torch.bool))


def _grid_positions(grid: Float[Tensor, "batch width *axes"]) -> Float[Tensor, "length width"]:
    """Sine-cosine positions of a map's places, in as much of the width as divides among its axes."""
    width, axes = grid.shape[1], grid.shape[2:]
    spare = width % (2 * len(axes))
    return functional.pad(sinusoidal_positions(grid_coordinates(axes), width - spare), (0, spare)).to(grid)


def _nothing(loss: LocalAlignmentLoss, phrases: Phrases) -> Outcome:
    nothing = widened(phrases.values).sum() * 0 * loss.scale()
    return Outcome(nothing, {"loss": nothing.detach()})
