"""SpeechT5's two towers, found among those of a model, and the terms that need both sides of a row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from jaxtyping import Float
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.text.inputs import TextInputs
from crossmod_speech.speecht5.inputs import UtteranceInputs
from crossmod_speech.speecht5.text_tower import SpeechT5TextTower
from crossmod_speech.speecht5.tower import SpeechT5Tower

T = TypeVar("T", SpeechT5Tower, SpeechT5TextTower)


class Spoken(NamedTuple):
    """Utterances with what they say, and the towers of both."""

    tower: SpeechT5Tower
    texts: SpeechT5TextTower
    utterances: UtteranceInputs
    written: TextInputs


def speech_tower(towers: Mapping[str, Tower], modality: str) -> SpeechT5Tower:
    """The tower with the shared encoder-decoder.

    Raises:
        UserError: There is no such modality, or its tower is another one.
    """
    return _tower(towers, modality, SpeechT5Tower, "SpeechT5's encoder-decoder", "SpeechT5")


def text_tower(towers: Mapping[str, Tower], modality: str) -> SpeechT5TextTower:
    """The tower that knows the vocabulary.

    Raises:
        UserError: There is no such modality, or its tower is another one.
    """
    return _tower(towers, modality, SpeechT5TextTower, "SpeechT5's nets of text", "SpeechT5Text")


def _tower(towers: Mapping[str, Tower], modality: str, kind: type[T], part: str, choice: str) -> T:
    require_modalities(towers, modality)
    tower = towers[modality]
    if not isinstance(tower, kind):
        raise UserError(f"{modality!r} is to have {part}, but its tower is {type(tower).__name__}; choose {choice}.")
    return tower


def require_pair(towers: Mapping[str, Tower], speech: str, text: str) -> tuple[SpeechT5Tower, SpeechT5TextTower]:
    """Both towers, of one width.

    Raises:
        UserError: One of them is another tower, or their widths differ.
    """
    heard, read = speech_tower(towers, speech), text_tower(towers, text)
    if heard.width != read.width:
        raise UserError(
            f"the shared encoder-decoder has width {heard.width} and the tokens of {text!r} {read.width}; set "
            f"towers.{text}.width to {heard.width}."
        )
    return heard, read


class PairObjective(Objective, ABC):
    """A term of rows that have an utterance and what it says.

    Args:
        speech, text: Their modalities.
    """

    couples_batch = False

    def __init__(self, speech: str, text: str) -> None:
        super().__init__()
        self.speech, self.text = speech, text

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the pairs of a batch."""
        tower, texts = forwards.tower(self.speech), forwards.tower(self.text)
        utterances, written = batch.inputs[self.speech], batch.inputs[self.text]
        assert isinstance(tower, SpeechT5Tower) and isinstance(texts, SpeechT5TextTower)
        assert isinstance(utterances, UtteranceInputs) and isinstance(written, TextInputs)
        heard, said, _ = batch.common(self.speech, self.text)
        if not len(heard):
            return nothing_to_score(tower, texts)
        loss, terms = self.score(Spoken(tower, texts, utterances.take(heard), written.take(said)))
        return Outcome(loss, {"loss": loss.detach(), **terms})

    @abstractmethod
    def score(self, pairs: Spoken) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss of at least one pair, and terms to log."""


def nothing_to_score(*towers: Tower) -> Outcome:
    """A zero that stays attached to the towers, for a batch that has nothing of what is scored."""
    zero = sum((0 * next(tower.parameters()).sum() for tower in towers[1:]), 0 * next(towers[0].parameters()).sum())
    return Outcome(zero, {"loss": zero.detach()})
