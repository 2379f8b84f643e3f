"""The `shared-codes` evaluation: whether speech and text use the whole codebook, and the same part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.evaluation.context import EvaluationContext
from crossmod.objectives.local.code_usage import CodeUsage, code_perplexity
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell
from crossmod_speech.speecht5.evaluated import SpokenRows, spoken_rows
from crossmod_speech.speecht5.evaluation_settings import SharedCodesSettings
from crossmod_speech.speecht5.speaking import read_texts
from crossmod_speech.speecht5.tower import States


def evaluate(context: EvaluationContext, settings: SharedCodesSettings) -> list[Table]:
    """Codes that the states of utterances, of texts and of both pick, and how much the two agree.

    Raises:
        UserError: The model is not SpeechT5, or the split has no pair.
    """
    rows = spoken_rows(context, settings.split, settings.speech, settings.text)
    counts = {
        settings.speech: _usage(rows, settings.batch_size, _heard),
        settings.text: _usage(rows, settings.batch_size, _read),
    }
    shared = _overlap(*counts.values())
    counts["both"] = counts[settings.speech] + counts[settings.text]
    body = []
    for name, used in counts.items():
        cells: dict[str, Cell] = {"states": name, "tokens": int(used[0].sum())}
        for group, (count, perplexity) in enumerate(zip(used, code_perplexity(used), strict=True)):
            cells |= {f"used {group}": int((count > 0).sum()), f"perplexity {group}": float(perplexity)}
            if name == "both":
                cells[f"shared {group}"] = 100 * float(shared[group])
        body.append(Row(cells=cells))
    codes = rows.tower.codebook.codes
    note = (
        f"{codes} codes in each of {rows.tower.codebook.groups} groups; the likeliest code of every state. Perplexity "
        "is the number of codes that evenly used would be as uncertain. Shared is the overlap of the two "
        "distributions: sum over codes of the smaller of their shares."
    )
    title = f"codes of the shared codebook, {settings.split} split of {context.prepared.corpus.name}"
    return [Table(columns=_columns(rows.tower.codebook.groups), rows=body, title=title, note=note)]


def _columns(groups: int) -> list[Column]:
    columns = [Column(key="states", title="states of"), Column(key="tokens", title="tokens", decimals=0)]
    for group in range(groups):
        columns += [
            Column(key=f"used {group}", title=f"used, group {group + 1}", decimals=0),
            Column(key=f"perplexity {group}", title="perplexity", decimals=1),
            Column(key=f"shared {group}", title="shared %", decimals=1),
        ]
    return columns


def _heard(rows: SpokenRows) -> States:
    features, mask = rows.tower.convolved(rows.utterances)
    return rows.tower.encode(rows.tower.enter.place(features, mask), mask)


def _read(rows: SpokenRows) -> States:
    return read_texts(rows.tower, rows.texts, rows.written)


@torch.no_grad()
def _usage(rows: SpokenRows, batch_size: int, encode: Callable[[SpokenRows], States]) -> Int64[Tensor, "groups codes"]:
    codebook = rows.tower.codebook
    usage = CodeUsage(codebook.codes, codebook.groups)
    for part in _parts(rows, batch_size):
        states = encode(part)
        usage.update(codebook(states.values, states.mask).codes, states.mask)
    return usage.counts


def _parts(rows: SpokenRows, batch_size: int) -> Iterator[SpokenRows]:
    for start in range(0, len(rows), batch_size):
        yield rows.take(torch.arange(start, min(start + batch_size, len(rows))))


def _overlap(a: Int64[Tensor, "groups codes"], b: Int64[Tensor, "groups codes"]) -> Float[Tensor, "groups"]:
    """sum_k min(p_k, q_k): 1 for the same distribution, 0 for disjoint ones."""
    shares = [count.double() / count.sum(1, keepdim=True).clamp(min=1) for count in (a, b)]
    return torch.minimum(*shares).sum(1)
