"""Utterances to the texts that they say, by CTC alone, greedily, or by a beam that CTC rescores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.text.byte_pair import END, MASK, PADDING, START
from crossmod_speech.speecht5.beam_search import BeamOptions, beam_search
from crossmod_speech.speecht5.decoding_steps import DecodingSteps
from crossmod_speech.speecht5.inputs import UtteranceInputs
from crossmod_speech.speecht5.text_tower import BLANK, SpeechT5TextTower, padded_ids
from crossmod_speech.speecht5.tower import SpeechT5Tower, States

Decoder = Literal["ctc", "attention"]


@dataclass(frozen=True)
class TranscribingOptions:
    """How an utterance is written.

    Args:
        by: "attention" searches with the decoder; "ctc" takes each frame's most likely token.
        beam: Sequences that the decoder keeps open; 1 is greedy.
        ctc_weight: Share of CTC in the score that finished sequences of a beam are ranked by; the released decoding
            scores prefixes so, one utterance at a time, here whole sequences are, of a batch at once [ours].
        longest: Most tokens of a text.
    """

    by: Decoder = "attention"
    beam: int = 1
    ctc_weight: float = 0.5
    longest: int = 126


@torch.no_grad()
def transcribe(
    tower: SpeechT5Tower, texts: SpeechT5TextTower, inputs: UtteranceInputs, options: TranscribingOptions
) -> list[str]:
    """What each utterance of a minibatch says, in the text processor's normal form; both towers in evaluation mode."""
    if not len(inputs):
        return []
    features, mask = tower.convolved(inputs)
    states = tower.encode(tower.enter.place(features, mask), mask)
    log_p = texts.ctc(states.values).float().log_softmax(-1)
    if options.by == "ctc":
        return [texts.processor.text(ids) for ids in best_path(log_p, mask)]
    found = beam_search(
        _NextToken(tower, texts, states),
        len(inputs),
        BeamOptions(START, END, options.beam, options.longest, forbidden=(PADDING, START, MASK)),
    )
    if options.beam == 1 or not options.ctc_weight:
        return [texts.processor.text(hypotheses[0].ids) for hypotheses in found]
    chosen = []
    for row, hypotheses in enumerate(found):
        heard = ctc_scores(log_p[row, mask[row]], [each.ids for each in hypotheses])
        lengths = heard.new_tensor([len(each.ids) + 1 for each in hypotheses])
        own = heard.new_tensor([each.score for each in hypotheses])
        # Both are means over tokens, so that a weight means the same for texts of any length.
        ranked = (1 - options.ctc_weight) * own + options.ctc_weight * heard / lengths
        chosen.append(hypotheses[int(ranked.argmax())])
    return [texts.processor.text(each.ids) for each in chosen]


class _NextToken:
    """Log-probabilities of the next token of growing texts."""

    def __init__(self, tower: SpeechT5Tower, texts: SpeechT5TextTower, states: States) -> None:
        self._texts, self._device = texts, states.values.device
        self._decode = DecodingSteps(tower.decoder, *states)

    def __call__(
        self, prefix: Int64[Tensor, "rows length"], parent: Int64[Tensor, "rows"]
    ) -> Float[Tensor, "rows vocabulary"]:
        newest = self._texts.written(prefix[:, -1:].to(self._device), prefix.shape[1] - 1)[:, 0]
        decoded = self._decode(newest, parent.to(self._device))
        return self._texts.logits(decoded).float().log_softmax(-1)


def best_path(log_probabilities: Float[Tensor, "batch frames vocabulary"], mask: Tensor) -> list[list[int]]:
    """Each frame's most likely token, repeats merged and blanks left out (Graves et al. 2006).

    Shape:
        mask: [batch, frames]; true = frame of the utterance.
    """
    found = []
    for row, real in zip(log_probabilities.argmax(-1), mask, strict=True):
        merged = torch.unique_consecutive(row[real])
        found.append(merged[merged != BLANK].tolist())
    return found


def ctc_scores(
    log_probabilities: Float[Tensor, "frames vocabulary"], sequences: Sequence[Sequence[int]]
) -> Float[Tensor, "sequences"]:
    """log p(sequence | frames) of each; minus infinity where the frames cannot hold it."""
    device = log_probabilities.device
    ids, mask = padded_ids([torch.tensor(list(each), dtype=torch.int64) for each in sequences], device)
    frames = torch.full((len(sequences),), len(log_probabilities), device=device)
    repeated = log_probabilities[:, None].expand(-1, len(sequences), -1)
    return -functional.ctc_loss(repeated, ids, frames, mask.sum(1), blank=BLANK, reduction="none")
