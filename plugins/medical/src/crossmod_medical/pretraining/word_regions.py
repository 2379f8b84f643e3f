"""Content words with places of a volume by late interaction: VELVET-Med's finest level."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.distributed.world import world_size
from crossmod.objectives.pairs.aligned_phrases_objective import staged_tokens
from crossmod.objectives.pairs.token_contrast import LateInteractionLoss
from crossmod.objectives.pairs.token_scores import TokenSet
from crossmod_medical.encoders.sentence_inputs import SentenceInputs
from crossmod_medical.encoders.sentence_tower import SentenceTower
from crossmod_medical.encoders.word_numbers import content_tokens


class WordRegionsObjective(Objective):
    """FILIP (arXiv:2111.07783) between the content words of a report and some places of one of a tower's maps.

    VELVET-Med's abstract has correspondence at several levels; that the finest is late interaction, with this map, so
    many places and content words alone, is [C]. The places are drawn anew for every batch, the same for all volumes.
    The projections belong to this objective.

    Args:
        image: The modality of the volumes.
        text: The modality of the reports.
        tower: The reports' tower, for its vocabulary.
        widths: Channels of the map, and width of the words.
        width: Width that both are compared in.
        loss: The loss.
        stage: Which of the maps that the volumes' tower returns as `hidden`; -1 takes its tokens.
        most: Places of a volume at most.
    """

    couples_batch = True
    content: Bool[Tensor, "vocabulary"]

    def __init__(
        self,
        image: str,
        text: str,
        tower: SentenceTower,
        widths: tuple[int, int],
        width: int,
        loss: LateInteractionLoss,
        *,
        stage: int,
        most: int,
    ) -> None:
        super().__init__()
        self.image, self.text, self.loss, self.stage, self.most = image, text, loss, stage, most
        self.project_image = nn.Linear(widths[0], width, bias=False)
        self.project_text = nn.Linear(widths[1], width, bias=False)
        self.register_buffer("content", content_tokens(tower.processor.tokens), persistent=False)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities; none at all is a zero."""
        position_image, position_text, group = batch.common(self.image, self.text)
        if not len(group) and world_size() == 1:
            nothing = self.loss.scale() * 0
            return Outcome(nothing, {"loss": nothing.detach()})
        outcome = self.loss(self.places(forwards, position_image), self.words(forwards, batch, position_text), group)
        return Outcome(outcome.loss, outcome.terms)

    def places(self, forwards: Forwards, rows: Int64[Tensor, "rows"]) -> TokenSet:
        """Places of the map, projected; as many of them, drawn at random, as are allowed."""
        tokens = staged_tokens(forwards, self.image, self.stage)
        length = tokens.tokens.shape[1]
        index = torch.randperm(length)[: self.most].sort().values.to(rows.device)
        return TokenSet(self.project_image(tokens.tokens[rows][:, index]), tokens.mask[rows][:, index])

    def words(self, forwards: Forwards, batch: Batch, rows: Int64[Tensor, "rows"]) -> TokenSet:
        """Words, projected; function words and punctuation masked, except where a report has nothing else."""
        features, inputs = forwards.features(self.text), batch.inputs[self.text]
        assert features.tokens is not None and features.mask is not None and isinstance(inputs, SentenceInputs)
        ids, _, _ = inputs.padded()
        content = features.mask & self.content[ids]
        real = torch.where(content.any(1, keepdim=True), content, features.mask)
        return TokenSet(self.project_text(features.tokens[rows]), real[rows])

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()
