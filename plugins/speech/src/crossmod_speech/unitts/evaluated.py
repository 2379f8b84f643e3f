"""Rows of a split as texts and codes: what the evaluations of the language model have in common."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.text.inputs import TextInputs
from crossmod_speech.codec.rebuilt import codec_of, even_places
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.unitts.documents import rows_of
from crossmod_speech.unitts.settings import language_tower
from crossmod_speech.unitts.tower import SpokenLanguageTower
from crossmod_speech.unitts.training import speech_codes
from crossmod_speech.waveforms import WaveformInputs


@dataclass(frozen=True, eq=False)
class PairedRows:
    """Rows that have an utterance and a text.

    Args:
        codec: What gives codes of utterances.
        language: The model.
        utterances: One a row.
        texts: The tokens of each row's text.
        group: Rows of one group have the same words.
    """

    codec: DistilCodecTower
    language: SpokenLanguageTower
    utterances: WaveformInputs
    texts: list[Int64[Tensor, "length"]]
    group: Int64[Tensor, "rows"]

    def __len__(self) -> int:
        return len(self.texts)

    def codes(self, batch_size: int) -> list[Int64[Tensor, "steps"]]:
        """The codes of each row's utterance."""
        found = []
        for place in torch.split(torch.arange(len(self)), batch_size):
            found += speech_codes(self.codec, self.utterances.take(place))
        return found

    def others(self, seed: int) -> Int64[Tensor, "rows"]:
        """For each row one with other words, drawn at random.

        Raises:
            UserError: All rows have the same words.
        """
        if len(torch.unique(self.group)) < 2:
            raise UserError("all rows have the same words, so that no other text is there to compare with.")
        draw, found = torch.Generator().manual_seed(seed), []
        for group in self.group:
            strangers = (self.group != group).nonzero()[:, 0]
            found.append(strangers[torch.randint(len(strangers), (1,), generator=draw)])
        return torch.cat(found)


def paired_rows(context: EvaluationContext, split: str, speech: str, text: str, most: int, asker: str) -> PairedRows:
    """At most so many rows of a split that have both, evenly drawn.

    Raises:
        UserError: The model is no codec with a language model, or the split has no such row.
    """
    codec, prepared = codec_of(context, speech, asker), context.prepared
    language = language_tower({name: context.model.tower(name) for name in context.model.modalities}, text, asker)
    rows = prepared.rows(split, speech, text)
    if not len(rows):
        raise UserError(f"the {split} split of {prepared.corpus.name} has no utterance with a text.")
    rows = rows[even_places(len(rows), most)]
    utterances, texts = prepared.inputs[speech], prepared.inputs[text]
    assert isinstance(utterances, WaveformInputs) and isinstance(texts, TextInputs)
    return PairedRows(
        codec,
        language,
        utterances.take(prepared.item[speech][rows]),
        rows_of(texts.take(prepared.item[text][rows])),
        prepared.group[rows],
    )
