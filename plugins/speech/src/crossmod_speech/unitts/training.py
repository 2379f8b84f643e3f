"""The next token of documents of speech, of text, and of both: UniTTS's pre-training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.errors import UserError
from crossmod.text.inputs import TextInputs
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.unitts.documents import TASKS, Document, batch_of, document, rows_of
from crossmod_speech.unitts.tower import SpokenLanguageTower
from crossmod_speech.waveforms import WaveformInputs


class SpokenLanguageObjective(Objective):
    """Mean cross-entropy of every token but the first of documents, whose task each row draws (UniTTS).

    The codec gives codes and gets no gradient. A row that lacks a side draws among the tasks that it can.

    Args:
        speech: The modality whose tower is the codec.
        text: The modality whose tower is the language model.
        shares: How often each of `TASKS` is drawn.
    """

    couples_batch = False

    def __init__(self, speech: str, text: str, shares: tuple[float, float, float, float]) -> None:
        super().__init__()
        self.speech, self.text = speech, text
        self.register_buffer("shares", torch.tensor(shares), persistent=False)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score one document a row."""
        codec, language = forwards.tower(self.speech), forwards.tower(self.text)
        assert isinstance(codec, DistilCodecTower) and isinstance(language, SpokenLanguageTower)
        tasks = self._draw(batch)
        documents = self._documents(codec, language, batch, tasks)
        if not documents:
            nothing = language.embedding.weight.sum() * 0.0
            return Outcome(nothing, {"loss": nothing.detach()})
        ids, mask, _ = batch_of(documents)
        predicted = mask[:, 1:]
        logits = language.logits(language.states(ids, mask)[:, :-1][predicted]).float()
        losses = functional.cross_entropy(logits, ids[:, 1:][predicted], reduction="none")
        row = predicted.nonzero()[:, 0]
        drawn = torch.tensor([task for task in tasks if task is not None], device=row.device)[row]
        each = {
            f"{name.replace(' ', '_')}": losses.detach()[drawn == number].mean()
            for number, name in enumerate(TASKS)
            if bool((drawn == number).any())
        }
        loss = losses.mean()
        return Outcome(loss, {"loss": loss.detach(), **each})

    def _draw(self, batch: Batch) -> list[int | None]:
        """The task of every row; None where none is possible."""
        speech, text = batch.present[self.speech], batch.present[self.text]
        both = speech & text
        weights = torch.stack([speech, text, both, both], 1) * self.get_buffer("shares")
        possible = weights.sum(1) > 0
        drawn = torch.multinomial(weights + ~possible[:, None], 1)[:, 0]
        return [task if can else None for task, can in zip(drawn.tolist(), possible.tolist(), strict=True)]

    def _documents(
        self, codec: DistilCodecTower, language: SpokenLanguageTower, batch: Batch, tasks: list[int | None]
    ) -> list[Document]:
        texts = batch.inputs[self.text]
        assert isinstance(texts, TextInputs)
        written, spoken = iter(rows_of(texts)), self._codes(codec, batch, tasks)
        found = []
        rows = zip(tasks, batch.present[self.text].tolist(), spoken, strict=True)
        for task, has_text, codes in rows:
            text = next(written) if has_text else None
            if task is not None:
                found.append(document(TASKS[task], text, codes, language.tokens, language.longest))
        return found

    def _codes(self, codec: DistilCodecTower, batch: Batch, tasks: list[int | None]) -> list[Tensor | None]:
        """By row the codes of its speech, where its task is of speech."""
        inputs, present = batch.inputs[self.speech], batch.present[self.speech]
        assert isinstance(inputs, WaveformInputs)
        wanted = [task is not None and TASKS[task] != "text" for task in tasks]
        needed = torch.tensor(wanted, dtype=torch.bool, device=present.device) & present
        place = (present.cumsum(0) - 1)[needed]
        codes = iter(speech_codes(codec, inputs.take(place)))
        return [next(codes) if need else None for need in needed.tolist()]


@torch.no_grad()
def speech_codes(codec: DistilCodecTower, inputs: WaveformInputs) -> list[Tensor]:
    """The codes of utterances, one sequence each.

    Raises:
        UserError: The codec has several codes a step, or none that it has learned.
    """
    if codec.codebooks != 1:
        raise UserError(
            f"the codec has {codec.codebooks} codes a step, and a language model writes one; take the student of two "
            "steps, with groups 1 and stages 1."
        )
    if not codec.bottleneck.started:
        raise UserError(
            "the codec has learned no codes; train one with `--config distilcodec`, and start from it with "
            "--run.initialise RUN --run.initialise_only '[speech]'."
        )
    if not len(inputs):
        return []
    coded = codec.codes(inputs)
    return [codes[real][:, 0] for codes, real in zip(coded.codes, coded.mask, strict=True)]
