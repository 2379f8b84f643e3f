"""Documents that the language model learns on: speech alone, text alone, and both in either order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod.ragged import offsets_of
from crossmod.text.inputs import TextInputs
from crossmod_speech.unitts.tokens import TokenMap

Task = Literal["audio", "text", "text to speech", "speech to text"]
TASKS: tuple[Task, ...] = ("audio", "text", "text to speech", "speech to text")


class Document(NamedTuple):
    """One sequence.

    Args:
        ids: Its tokens.
        prompt: Tokens at its front that are given and not predicted: all up to the second part, or the first token.
    """

    ids: Int64[Tensor, "length"]
    prompt: int


def document(
    task: Task,
    text: Int64[Tensor, "text"] | None,
    codes: Int64[Tensor, "codes"] | None,
    tokens: TokenMap,
    longest: int,
) -> Document:
    """The document of a task; what is longer than `longest` is cut, and then has no end.

    Text stands between its own first and last token, speech between begin and end. (Which ends stand where is not
    verified for UniTTS.)

    Args:
        task: What it is of.
        text: The text's tokens, its first and last ones included; None for speech alone.
        codes: The codes of the speech; None for text alone.
        tokens: Their numbers.
        longest: Most tokens.

    Raises:
        ValueError: What the task is of is missing.
    """
    if (text is None and task != "audio") or (codes is None and task != "text"):
        raise ValueError(f"a document of the task {task!r} lacks its {'text' if codes is not None else 'speech'}")
    spoken = written = torch.zeros(0, dtype=torch.int64)
    if codes is not None and task != "text":
        end = tokens.end_of_audio if task == "audio" else tokens.end
        edge = codes.new_tensor([tokens.begin, end])
        spoken = torch.cat([edge[:1], tokens.ids_of(codes), edge[1:]])
    if text is not None and task != "audio":
        written = text.long()
    parts = (written, spoken) if task == "text to speech" else (spoken, written)
    # Of the second part its first token is given too: it says what follows.
    prompt = len(parts[0]) + 1 if task in ("text to speech", "speech to text") else 1
    return Document(torch.cat([part.to(written.device) for part in parts])[:longest], prompt)


def batch_of(
    documents: Sequence[Document],
) -> tuple[Int64[Tensor, "batch length"], Bool[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
    """Documents side by side: tokens, which are real, and which stand behind the prompt.

    Shape:
        each [batch, length].
    """
    lengths = torch.tensor([len(each.ids) for each in documents])
    packed = torch.cat([each.ids for each in documents]) if documents else torch.zeros(0, dtype=torch.int64)
    ids, mask = TextInputs(packed.int(), offsets_of(lengths).to(packed.device)).padded()
    prompt = torch.tensor([each.prompt for each in documents], device=ids.device)
    return ids, mask, mask & (torch.arange(ids.shape[1], device=ids.device) >= prompt[:, None])


def rows_of(texts: TextInputs) -> list[Int64[Tensor, "length"]]:
    """The tokens of texts, one by one."""
    bounds = texts.offsets.tolist()
    return [texts.ids[a:b].long() for a, b in pairwise(bounds)]
