"""Text-guided colourisation as a term of a recipe: colours of a grey picture from its description (PLIP)."""

from __future__ import annotations

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.colourisation import TextGuidedColouriser, colourisation_loss
from crossmod.objectives.local.staged_tower import StagedTower


class TextGuidedColourisationObjective(Objective):
    """The picture without its colours goes through the tower's stages; the text's pooled vector guides their decoder.

    Grey is the mean of the channels, in the tower's units: luma weights hold before normalisation alone and for three
    colours [ours; the paper does not say how its grey copies are made].

    Args:
        modality: The modality of pictures; its tower is a `StagedTower`.
        text: The modality that describes them.
        colouriser: Predicts the picture.
    """

    couples_batch = False

    def __init__(self, modality: str, text: str, colouriser: TextGuidedColouriser) -> None:
        super().__init__()
        self.modality, self.text, self.colouriser = modality, text, colouriser

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, StagedTower)
        own, other, _ = batch.common(self.modality, self.text)
        picture = tower.picture(batch.inputs[self.modality].take(own))
        grey = picture.mean(1, keepdim=True).expand_as(picture)
        text = forwards.features(self.text).pooled[other]
        if not len(own):
            nothing = self.colouriser.join.weight.sum() * 0
            return Outcome(nothing, {"loss": nothing.detach()})
        predicted = self.colouriser(tower.stages(grey), text, picture.shape[2:])
        loss = colourisation_loss(predicted, picture) * (len(own) / len(batch))
        return Outcome(loss, {"loss": loss.detach()})
