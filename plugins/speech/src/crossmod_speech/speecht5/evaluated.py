"""The pairs of a split that SpeechT5's evaluations read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.text.inputs import TextInputs
from crossmod_speech.speecht5.inputs import UtteranceInputs
from crossmod_speech.speecht5.pairing import require_pair
from crossmod_speech.speecht5.text_tower import SpeechT5TextTower
from crossmod_speech.speecht5.tower import SpeechT5Tower


@dataclass(frozen=True, eq=False)
class SpokenRows:
    """Distinct pairs of an utterance and a text.

    Args:
        tower, texts: The towers.
        utterances, written: The inputs, row by row.
        said: The texts themselves.
        speaker: [rows], who speaks; None where no speaker is known.
    """

    tower: SpeechT5Tower
    texts: SpeechT5TextTower
    utterances: UtteranceInputs
    written: TextInputs
    said: list[str]
    speaker: Int64[Tensor, "rows"] | None

    def __len__(self) -> int:
        return len(self.said)

    def take(self, index: Int64[Tensor, "chosen"]) -> SpokenRows:
        """The pairs at `index`."""
        return SpokenRows(
            self.tower,
            self.texts,
            self.utterances.take(index),
            self.written.take(index),
            [self.said[place] for place in index.tolist()],
            None if self.speaker is None else self.speaker[index],
        )


def spoken_rows(context: EvaluationContext, split: str, speech: str, text: str) -> SpokenRows:
    """The pairs of a split.

    Raises:
        UserError: The model is not SpeechT5, or the split has no utterance with a text.
    """
    model, prepared = context.model, context.prepared
    tower, texts = require_pair({name: model.tower(name) for name in model.modalities}, speech, text)
    rows = prepared.rows(split, speech, text)
    if not len(rows):
        raise UserError(f"the {split} split of {prepared.corpus.name} has no {speech} with a {text}; take another.")
    heard, written = prepared.item[speech][rows], prepared.item[text][rows]
    # Rows that repeat a pair count once.
    _, inverse = torch.unique(torch.stack([heard, written]), dim=1, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), len(rows)).scatter_reduce(0, inverse, torch.arange(len(rows)), "amin")
    rows, heard, written = rows[first], heard[first], written[first]
    utterances, inputs = prepared.inputs[speech], prepared.inputs[text]
    assert isinstance(utterances, UtteranceInputs) and isinstance(inputs, TextInputs)
    subject, items = prepared.corpus.subject, prepared.corpus.columns[text].items
    return SpokenRows(
        tower,
        texts,
        utterances.take(heard),
        inputs.take(written),
        [str(items[place]) for place in written.tolist()],
        None if subject is None else torch.from_numpy(subject)[rows],
    )
