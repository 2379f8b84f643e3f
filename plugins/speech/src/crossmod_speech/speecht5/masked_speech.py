"""SpeechT5's pre-training on speech: clusters of hidden frames, and the whole spectrogram spoken again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.cluster_prediction import ClusterPrediction
from crossmod.objectives.local.maskers import span_masking
from crossmod.objectives.local.spectrogram import spectrogram_loss, stop_loss
from crossmod_speech.speecht5.inputs import UtteranceInputs
from crossmod_speech.speecht5.pairing import nothing_to_score
from crossmod_speech.speecht5.tower import SpeechT5Tower, States
from crossmod_speech.speecht5.voices import voice_of

if TYPE_CHECKING:
    from crossmod_speech.speecht5.objective_settings import MaskedSpeech


class MaskedSpeechObjective(Objective):
    """Mean CE of hidden frames' clusters + L1 of both spectrograms + stop + 10 mean(features^2) + 0.1 diversity.

    That is the published sum over hidden frames divided by their number. Batches need no text beside the utterances:
    each modality has its own term, where the published batches alternate.

    Args:
        settings: Shares and weights.
        tower: The tower, for widths and the number of clusters.
    """

    couples_batch = False

    def __init__(self, settings: MaskedSpeech, tower: SpeechT5Tower) -> None:
        super().__init__()
        self.settings, self.modality = settings, settings.modality
        self.predict = ClusterPrediction(
            tower.width,
            tower.processor.targets.clusters,
            label_width=settings.label_width,
            temperature=settings.temperature,
        )
        self.mixing = None if settings.codes is None else settings.codes.build()

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the utterances of a batch."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(tower, SpeechT5Tower) and isinstance(inputs, UtteranceInputs)
        if not len(inputs):
            return nothing_to_score(tower)
        features, mask = tower.convolved(inputs)
        hidden = ~span_masking(mask, self.settings.share, self.settings.span)
        states = tower.encode(tower.enter.place(features, mask, hidden), mask)
        clusters, right = self.clusters(tower, inputs, states, hidden)
        if self.settings.seen_weight:
            seen, _ = self.clusters(tower, inputs, states, mask & ~hidden)
            clusters = clusters + self.settings.seen_weight * seen
        penalty = features[mask].float().square().mean()
        loss = clusters + self.settings.penalty * penalty
        terms = {"clusters": clusters.detach(), "accuracy": right, "penalty": penalty.detach()}
        if self.settings.reconstruction:
            spoken, further = self._spoken(tower, inputs, states)
            loss, terms = loss + spoken, terms | further
        return Outcome(loss, {"loss": loss.detach(), **terms})

    def clusters(
        self, tower: SpeechT5Tower, inputs: UtteranceInputs, states: States, hidden: Bool[Tensor, "batch frames"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Cross-entropy of the clusters of hidden frames, and the share of these that is named right."""
        target = tower.clusters(inputs, hidden.shape[1])
        scored = hidden & (target >= 0)
        loss: Tensor = self.predict(states.values, target.clamp(min=0), scored)
        with torch.no_grad():
            named = self.predict.logits(states.values[scored]).argmax(-1)
        right = (named == target[scored]).sum() / scored.sum().clamp(min=1)
        return loss, right

    def _spoken(
        self, tower: SpeechT5Tower, inputs: UtteranceInputs, states: States
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """What the decoder makes of the states: frames, stop and, with codes, their diversity."""
        diversity, terms = states.values.new_zeros(()), {}
        if self.mixing is not None:
            states, diversity, terms = self.mixing(tower, states)
        target = tower.spectrogram(inputs)
        spoken, cut = tower.speak(states, target, voice_of(target))
        frames = spectrogram_loss([spoken.before, spoken.after], cut.values, cut.mask)
        stop = stop_loss(spoken.stop, cut.mask, positive_weight=self.settings.stop_weight)
        terms |= {"frames": frames.detach(), "stop": stop.detach()}
        return self.settings.reconstruction * (frames + stop) + diversity, terms

    def after_step(self) -> None:
        """Let the temperature of the codes fall."""
        if self.mixing is not None:
            self.mixing.after_step()
