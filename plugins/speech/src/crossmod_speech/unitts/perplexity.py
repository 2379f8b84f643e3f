"""The `perplexity` evaluation: how surprised the language model is by each task's held-out documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.evaluation.context import EvaluationContext
from crossmod_report import Column, Row, Table
from crossmod_speech.unitts.documents import TASKS, Document, Task, batch_of, document
from crossmod_speech.unitts.evaluated import PairedRows, paired_rows
from crossmod_speech.unitts.evaluation_settings import PerplexitySettings
from crossmod_speech.unitts.tower import SpokenLanguageTower

ASKER = "the perplexity evaluation"


@dataclass(frozen=True)
class Surprise:
    """Negative log-likelihood of the tokens behind prompts.

    Args:
        total: Its sum, in nats.
        tokens: How many.
    """

    total: float
    tokens: int

    @property
    def perplexity(self) -> float:
        """exp of the mean; 1 where there is no token."""
        return math.exp(self.total / max(1, self.tokens))


def evaluate(context: EvaluationContext, settings: PerplexitySettings) -> list[Table]:
    """Each task's perplexity; with another row's text or speech in front; and of counts of tokens alone.

    Raises:
        UserError: The model is no codec with a language model, or the split has no pair.
    """
    rows = _rows(context, settings, settings.split)
    known = _rows(context, settings, "train")
    codes, learned = rows.codes(settings.batch_size), known.codes(settings.batch_size)
    body = []
    for task in TASKS:
        own = surprise(rows.language, _documents(task, rows, codes), settings.batch_size)
        training = _documents(task, known, learned)
        counted = _counted(rows.language, training, _documents(task, rows, codes))
        cells: dict[str, str | float | int | None] = {"task": task, "tokens": own.tokens}
        cells |= {"perplexity": own.perplexity, "counts": counted.perplexity}
        if task in ("text to speech", "speech to text"):
            other = rows.others(0)
            exchanged = _documents(task, rows, codes, other)
            cells["exchanged"] = surprise(rows.language, exchanged, settings.batch_size).perplexity
        body.append(Row(cells=cells, role="result"))
    note = (
        f"{len(rows)} rows; tokens behind the prompt alone. Exchanged: the same tokens behind another row's text or "
        f"speech. Counts: each token by how often it stands in {len(known)} training documents, one added."
    )
    title = f"perplexity, {settings.split} split of {context.prepared.corpus.name}"
    return [Table(columns=_columns(), rows=body, title=title, note=note)]


def validation_score(context: EvaluationContext) -> float:
    """Minus the mean surprise of a code given its text, on the validation split.

    Raises:
        UserError: The model is no codec with a language model, or the split has no pair.
    """
    settings = PerplexitySettings()
    rows = _rows(context, settings, "validation")
    found = surprise(
        rows.language, _documents("text to speech", rows, rows.codes(settings.batch_size)), settings.batch_size
    )
    return -found.total / max(1, found.tokens)


def surprise(language: SpokenLanguageTower, documents: Sequence[Document], batch_size: int) -> Surprise:
    """The surprise of a model in evaluation mode at the tokens behind the prompts of documents."""
    total, tokens = 0.0, 0
    for start in range(0, len(documents), batch_size):
        losses = token_losses(language, documents[start : start + batch_size])
        total, tokens = total + float(losses.double().sum()), tokens + len(losses)
    return Surprise(total, tokens)


@torch.no_grad()
def token_losses(language: SpokenLanguageTower, documents: Sequence[Document]) -> Float[Tensor, "tokens"]:
    """Negative log-likelihoods of the tokens behind the prompts, document after document."""
    device = language.embedding.weight.device
    ids, mask, behind = (each.to(device) for each in batch_of(documents))
    wanted = behind[:, 1:]
    logits = language.logits(language.states(ids, mask)[:, :-1][wanted]).float()
    losses: Tensor = functional.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    return losses


def _rows(context: EvaluationContext, settings: PerplexitySettings, split: str) -> PairedRows:
    return paired_rows(context, split, settings.speech, settings.text, settings.rows, ASKER)


def _documents(
    task: Task, rows: PairedRows, codes: Sequence[Tensor], given: Int64[Tensor, "rows"] | None = None
) -> list[Document]:
    """The documents of all rows; `given` names for each the row whose text or speech is the prompt."""
    language, found = rows.language, []
    for place in range(len(rows)):
        first = place if given is None else int(given[place])
        text = rows.texts[first if task == "text to speech" else place]
        spoken = codes[first if task == "speech to text" else place]
        found.append(document(task, text, spoken.cpu(), language.tokens, language.longest))
    return found


def _counted(language: SpokenLanguageTower, known: Sequence[Document], asked: Sequence[Document]) -> Surprise:
    behind = [torch.cat([each.ids[each.prompt :] for each in documents]) for documents in (known, asked)]
    counts = 1.0 + torch.bincount(behind[0], minlength=language.tokens.size).double()
    losses = -(counts / counts.sum()).log()[behind[1]]
    return Surprise(float(losses.sum()), len(losses))


def _columns() -> list[Column]:
    return [
        Column(key="task", title="task"),
        Column(key="tokens", title="tokens", decimals=0),
        Column(key="perplexity", title="perplexity", decimals=2, better="lower"),
        Column(key="exchanged", title="exchanged", decimals=2),
        Column(key="counts", title="counts alone", decimals=2),
    ]
