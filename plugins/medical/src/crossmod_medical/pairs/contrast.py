"""The contrast of PTUnifier: one tower embeds an image without its text, and a text without its image."""

from __future__ import annotations

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.info_nce import InfoNCELoss
from crossmod.state.logit_scale import LogitScale
from crossmod_medical.pairs.inputs import PairInputs


class StandInContrastObjective(Objective):
    """Symmetric InfoNCE of image-only against text-only embeddings of the same pairs, at a constant temperature.

    Both go through the model's projection of the pairs' vector. Texts of one image share the target [ours]: in a
    corpus of questions they are no negatives of it. The release names its task differently in two places and so never
    runs this term; the paper's intent is what runs here.

    Args:
        modality: The modality of the pairs.
        temperature: Divisor of the cosines.
    """

    couples_batch = True

    def __init__(self, modality: str, temperature: float) -> None:
        super().__init__()
        self.modality = modality
        self.loss = InfoNCELoss(LogitScale(1 / temperature, smallest=1e-6, largest=float("inf"), learned=False))

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the pairs that have both sides."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(inputs, PairInputs)
        pairs = inputs.take(inputs.complete.nonzero()[:, 0])
        images = forwards.project(self.modality, tower(pairs.without_texts()).pooled)
        texts = forwards.project(self.modality, tower(pairs.without_images()).pooled)
        if not len(pairs):
            nothing = images.sum() + texts.sum()
            return Outcome(nothing, {"loss": nothing.detach()})
        outcome = self.loss(images, texts, pairs.picture)
        return Outcome(outcome.loss, {"loss": outcome.loss.detach()})
