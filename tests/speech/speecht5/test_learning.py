"""SpeechT5 learns: to write and to speak tones that a voice plays which it never heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.run import run_evaluation
from crossmod.training.assemble import Parts
from crossmod.training.backward import backward
from crossmod_report.tables import Cell
from crossmod_speech.speecht5.evaluation_settings import EVALUATIONS
from crossmod_speech.speecht5.objective_settings import (
    InfilledText,
    MaskedSpeech,
    SharedCodes,
    SpokenText,
    Transcription,
)

Make = Callable[..., Parts]

CODES = SharedCodes(share=0.1)


def trained(parts: Parts, steps: int, rate: float = 3e-3) -> list[Mapping[str, float]]:
    """Train on 24 training rows a step; the terms of every step."""
    rows = torch.from_numpy(parts.prepared.corpus.rows("train"))
    optimiser = torch.optim.AdamW(
        [*parts.model.parameters(), *parts.mixture.parameters()], rate, betas=(0.9, 0.98), weight_decay=0.0
    )
    terms = []
    parts.model.train()
    for step in range(steps):
        torch.manual_seed(step)
        batch = parts.prepared.batch(rows[torch.randperm(len(rows))[:24]])
        optimiser.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 10, 2 * (1 - step / steps))
        optimiser.zero_grad()
        found = backward(parts.model, parts.mixture, batch, step)
        torch.nn.utils.clip_grad_norm_(parts.model.parameters(), 5.0)
        optimiser.step()
        parts.mixture.after_step()
        terms.append({name: float(value) for name, value in found.items()})
    parts.model.eval()
    return terms


def scores(parts: Parts, name: str, key: str, *words: str) -> dict[Cell, Mapping[str, Cell]]:
    """The rows of an evaluation's table, by their name."""
    context = EvaluationContext(parts.model, recipe=None, ready=parts.prepared)
    [table] = run_evaluation(context, EVALUATIONS[name], list(words))
    return {row.cells[key]: row.cells for row in table.rows}


def test_writes_what_a_voice_plays_that_it_never_heard(make: Make) -> None:
    write = Transcription(share=0.0, channel_share=0.0, smoothing=0.0)
    parts = make({"write": write}, filter_bank=True, count=24)
    trained(parts, 150, rate=6e-3)
    for words, name in ((("--by=ctc",), "model, CTC alone"), ((), "model, greedy")):
        found = scores(parts, "transcription", "writer", *words)
        assert found[name]["cer"] < 10 < 60 < found["commonest training transcript"]["cer"], found


def test_learns_the_filters_of_a_waveform(make: Make) -> None:
    parts = make({"write": Transcription(share=0.0, channel_share=0.0, smoothing=0.0)}, count=5)
    terms = trained(parts, 100, rate=1e-2)
    # Nothing that does not hear which text it is can go below the entropy of the texts a token.
    assert terms[-1]["write/ctc"] < 0.15 * terms[0]["write/ctc"] and terms[-1]["write/accuracy"] > 0.85


def test_speaks_its_texts_and_no_others(make: Make) -> None:
    parts = make({"say": SpokenText()})
    terms = trained(parts, 150, rate=5e-3)
    assert terms[-1]["say/frames"] < 0.5 * terms[0]["say/frames"]
    found = scores(parts, "synthesis", "speech", "--split=train", "--utterances=8")
    free = found["spoken freely"]["distance"]
    assert free < 0.7 * found["spoken freely, another text"]["distance"]
    assert free < 0.7 * found["mean frame of training"]["distance"]


def test_pre_training_names_hidden_frames_and_fills_texts(make: Make) -> None:
    parts = make(
        {"speech": MaskedSpeech(label_width=16, share=0.5, span=4, codes=CODES), "text": InfilledText(codes=CODES)},
    )
    terms = trained(parts, 100)
    first, last = terms[0], terms[-1]
    assert last["speech/accuracy"] > 0.5 > 0.3 > first["speech/accuracy"]
    assert last["text/tokens"] < 0.5 * first["text/tokens"]
    assert last["speech/frames"] < 0.75 * first["speech/frames"]
