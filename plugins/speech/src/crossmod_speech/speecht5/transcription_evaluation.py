"""The `transcription` evaluation: how many words and characters of a split are written wrong."""

from __future__ import annotations

from collections import Counter

import torch

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell, Estimate
from crossmod_speech.speecht5.error_rates import compared, count_errors
from crossmod_speech.speecht5.evaluated import SpokenRows, spoken_rows
from crossmod_speech.speecht5.evaluation_settings import TranscriptionSettings
from crossmod_speech.speecht5.nearest_recordings import nearest, outlines
from crossmod_speech.speecht5.transcribing import TranscribingOptions, transcribe


def evaluate(context: EvaluationContext, settings: TranscriptionSettings) -> list[Table]:
    """Error rates of the model, of the commonest training transcript, and of the nearest training recording's.

    Raises:
        UserError: The model is not SpeechT5, or the split says no word.
    """
    rows = spoken_rows(context, settings.split, settings.speech, settings.text)
    known = spoken_rows(context, "train", settings.speech, settings.text)
    worded = [place for place, text in enumerate(rows.said) if compared(text)]
    if not worded:
        raise UserError(f"no text of the {settings.split} split holds a word; take another --split.")
    rows = rows.take(torch.tensor(worded))
    own = "CTC alone" if settings.by == "ctc" else f"beam of {settings.beam}" if settings.beam > 1 else "greedy"
    written = {
        f"model, {own}": _model(rows, settings),
        "nearest training recording's": _nearest(rows, known, settings.batch_size),
        "commonest training transcript": [Counter(known.said).most_common(1)[0][0]] * len(rows),
    }
    body = []
    for number, (name, texts) in enumerate(written.items()):
        errors = count_errors(rows.said, texts)
        low, high = errors.word_interval(rows.speaker, seed=settings.seed, resamples=settings.resamples)
        cells: dict[str, Cell] = {
            "writer": name,
            "wer": Estimate(value=100 * errors.word_rate, low=100 * low, high=100 * high),
            "cer": 100 * errors.letter_rate,
            "exact": 100 * errors.exact,
        }
        body.append(Row(cells=cells, role="reference" if number else "result"))
    note = (
        f"{len(rows)} utterances; texts are compared without case and punctuation. Intervals resample "
        f"{'utterances' if rows.speaker is None else 'speakers'}."
    )
    title = f"transcripts, {settings.split} split of {context.prepared.corpus.name}"
    return [Table(columns=_columns(), rows=body, title=title, note=note)]


def _model(rows: SpokenRows, settings: TranscriptionSettings) -> list[str]:
    options = TranscribingOptions(
        by=settings.by,
        beam=settings.beam,
        ctc_weight=settings.ctc_weight,
        longest=rows.texts.processor.length - 2,
    )
    written: list[str] = []
    for start in range(0, len(rows), settings.batch_size):
        part = rows.take(torch.arange(start, min(start + settings.batch_size, len(rows))))
        written += transcribe(rows.tower, rows.texts, part.utterances, options)
    return written


def _nearest(rows: SpokenRows, known: SpokenRows, batch_size: int) -> list[str]:
    asked, given = (outlines(rows.tower, each.utterances, batch_size) for each in (rows, known))
    return [known.said[place] for place in nearest(asked, given).tolist()]


def _columns() -> list[Column]:
    return [
        Column(key="writer", title="whose transcript"),
        Column(key="wer", title="WER %", decimals=1, better="lower"),
        Column(key="cer", title="CER %", decimals=1, better="lower"),
        Column(key="exact", title="without error %", decimals=1, better="higher"),
    ]
