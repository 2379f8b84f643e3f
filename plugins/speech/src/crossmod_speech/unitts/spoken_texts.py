"""The `spoken-texts` evaluation: texts to codes to waveforms, against recordings of the same and of other words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.evaluation.context import EvaluationContext
from crossmod_metrics import bootstrap_mean, mel_cepstral_distance
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell
from crossmod_speech.codec.rebuilt import Waveform, spectrograms, waveforms
from crossmod_speech.codec.recordings import write_pairs
from crossmod_speech.unitts.documents import document
from crossmod_speech.unitts.evaluated import PairedRows, paired_rows
from crossmod_speech.unitts.evaluation_settings import SpokenTextsSettings
from crossmod_speech.unitts.sampling import SamplingOptions, draw_tokens
from crossmod_speech.unitts.tower import SpokenLanguageTower

ASKER = "the spoken-texts evaluation"


@torch.no_grad()
def evaluate(context: EvaluationContext, settings: SpokenTextsSettings) -> list[Table]:
    """Distances of spoken texts, of other texts spoken, and of the codec's own reconstruction, to the recordings.

    The same spoken waveforms are held against their own recordings and against those of other words, so that neither
    quality nor voice explains the difference.

    Raises:
        UserError: The model is no codec with a language model, or the split has no pair or only one text.
    """
    rows = paired_rows(context, settings.split, settings.speech, settings.text, settings.rows, ASKER)
    front_end, others = rows.codec.spectrogram, rows.others(settings.seed)
    real = waveforms(rows.utterances)
    targets = spectrograms(real, front_end)
    spoken, ended = speak(rows, settings)
    said = spectrograms(spoken, front_end)
    rebuilt = spectrograms(rows.codec.reconstruct(rows.utterances), front_end)
    exchanged = [targets[place] for place in others.tolist()]
    distances = {
        "text spoken, its own recording": _distances(said, targets),
        "text spoken, recording of other words": _distances(said, exchanged),
        "recording rebuilt from its codes": _distances(rebuilt, targets),
        "another recording, of other words": _distances(exchanged, targets),
    }
    gap = bootstrap_mean(
        distances["text spoken, recording of other words"] - distances["text spoken, its own recording"],
        rows.group,
        seed=settings.seed,
        resamples=settings.resamples,
    )
    if settings.recordings:
        pairs = list(zip(real, spoken, strict=True))[: settings.written]
        write_pairs(Path(settings.recordings), ("original", "spoken"), pairs, front_end.sample_rate)
    length = fmean(len(a) / len(b) for a, b in zip(said, targets, strict=True))
    body = [_row(name, values, name == "text spoken, its own recording", length) for name, values in distances.items()]
    note = (
        f"{len(rows)} texts, drawn at temperature {settings.temperature:g} within {settings.top_p:g} of the "
        f"probability; {100 * fmean(ended):.0f} % ended by themselves. Time is warped. Other words are farther by "
        f"{gap.estimate:.2f} dB (95 %: {gap.low:.2f} to {gap.high:.2f}, resampled by text)."
    )
    title = f"spoken texts, {settings.split} split of {context.prepared.corpus.name}"
    return [Table(columns=_columns(), rows=body, title=title, note=note)]


def speak(rows: PairedRows, settings: SpokenTextsSettings) -> tuple[list[Waveform], list[bool]]:
    """Waveforms of the rows' texts, and which ended by themselves; a text that gets no code is a frame of silence."""
    language, codec = rows.language, rows.codec
    tokens, steps_a_second = language.tokens, codec.spectrogram.sample_rate / codec.samples_a_step
    longest = max(1, round(settings.longest_seconds * steps_a_second))
    options = SamplingOptions(longest, settings.temperature, settings.top_p)
    draw, spoken, ended = torch.Generator().manual_seed(settings.seed), [], []
    for start in range(0, len(rows), settings.batch_size):
        prompts = [prompt_of(text, language) for text in rows.texts[start : start + settings.batch_size]]
        drawn = draw_tokens(language, prompts, tokens.speakable(tokens.end), tokens.end, options, draw)
        for prompt, ids in zip(prompts, drawn, strict=True):
            ended.append(len(ids) < min(longest, language.longest - len(prompt)))
            codes = tokens.codes_of(ids)[None, :, None]
            spoken.append(codec.decode(codes)[0] if len(ids) else torch.zeros(codec.samples_a_step))
    return spoken, ended


def prompt_of(text: Tensor, language: SpokenLanguageTower) -> Tensor:
    """What stands before the codes of a text."""
    nothing = text.new_zeros(0)
    whole = document("text to speech", text, nothing, language.tokens, language.longest)
    return whole.ids[: whole.prompt]


def _distances(made: Sequence[Tensor], targets: Sequence[Tensor]) -> Float[Tensor, "rows"]:
    pairs = zip(made, targets, strict=True)
    return torch.tensor([mel_cepstral_distance(a, b, align="warped").decibels for a, b in pairs], dtype=torch.float64)


def _row(name: str, distances: Float[Tensor, "rows"], result: bool, length: float) -> Row:
    cells: dict[str, Cell] = {"pair": name, "distance": float(distances.mean())}
    if result:
        cells["length"] = length
    return Row(cells=cells, role="result" if result else "reference")


def _columns() -> list[Column]:
    return [
        Column(key="pair", title="what, against what"),
        Column(key="distance", title="MCD dB", decimals=2, better="lower"),
        Column(key="length", title="length / true length", decimals=2),
    ]
