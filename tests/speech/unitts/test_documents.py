"""Numbers of tokens, and the documents of every task."""

from __future__ import annotations

import pytest
import torch

from crossmod.errors import UserError
from crossmod.ragged import offsets_of
from crossmod.text.inputs import TextInputs
from crossmod_speech.unitts.documents import TASKS, batch_of, document, rows_of
from crossmod_speech.unitts.tokens import CONTROLS, TokenMap

TOKENS = TokenMap(text=10, codes=6)
TEXT, CODES = torch.tensor([1, 7, 8, 2]), torch.tensor([0, 5, 3])


def test_codes_come_back_and_never_meet_text_or_controls() -> None:
    codes = torch.arange(6)
    ids = TOKENS.ids_of(codes)
    assert torch.equal(TOKENS.codes_of(ids), codes)
    taken = {*range(10), TOKENS.begin, TOKENS.end, TOKENS.end_of_audio}
    assert len(taken) == 10 + len(CONTROLS) and taken.isdisjoint(ids.tolist())
    assert taken | set(ids.tolist()) == set(range(TOKENS.size))
    assert TOKENS.is_code(torch.arange(TOKENS.size)).sum() == 6
    for wrong in (3, TOKENS.begin, TOKENS.end_of_audio, TOKENS.size):
        with pytest.raises(ValueError, match=f"token {wrong} is no code"):
            TOKENS.codes_of(torch.tensor([TOKENS.first_code, wrong]))
    with pytest.raises(UserError, match="codes from 0 to 6"):
        TOKENS.ids_of(torch.tensor([0, 6]))
    # UniTTS's own numbers: its padded vocabulary has the controls in it.
    published = TokenMap(text=152_064 - len(CONTROLS), codes=32_768)
    assert published.first_code == 152_064 and published.size == 152_064 + 32_768


def test_what_may_be_spoken() -> None:
    allowed = TOKENS.speakable(TOKENS.end)
    assert allowed.nonzero()[:, 0].tolist() == [TOKENS.end, *range(TOKENS.first_code, TOKENS.size)]


def test_every_task_s_document() -> None:
    spoken = [13, 18, 16]
    expected = {
        "audio": ([10, *spoken, 12], 1),
        "text": ([1, 7, 8, 2], 1),
        "text to speech": ([1, 7, 8, 2, 10, *spoken, 11], 5),
        "speech to text": ([10, *spoken, 11, 1, 7, 8, 2], 6),
    }
    assert tuple(expected) == TASKS
    for task, (ids, prompt) in expected.items():
        made = document(task, TEXT, CODES, TOKENS, longest=20)
        assert (made.ids.tolist(), made.prompt) == (ids, prompt)
        assert document(task, TEXT, CODES, TOKENS, longest=3).ids.tolist() == ids[:3]
    assert document("audio", None, CODES, TOKENS, 20).ids.tolist() == expected["audio"][0]
    assert document("text", TEXT, None, TOKENS, 20).ids.tolist() == TEXT.tolist()


def test_a_missing_side_is_refused() -> None:
    with pytest.raises(ValueError, match="'speech to text' lacks its text"):
        document("speech to text", None, CODES, TOKENS, 20)
    with pytest.raises(ValueError, match="'audio' lacks its speech"):
        document("audio", TEXT, None, TOKENS, 20)


def test_documents_side_by_side() -> None:
    documents = [document(task, TEXT, CODES, TOKENS, 8) for task in ("text to speech", "audio")]
    ids, mask, behind = batch_of(documents)
    assert ids.tolist() == [[1, 7, 8, 2, 10, 13, 18, 16], [10, 13, 18, 16, 12, 0, 0, 0]]
    assert mask.sum(1).tolist() == [8, 5]
    assert behind.nonzero().tolist() == [[0, 5], [0, 6], [0, 7], [1, 1], [1, 2], [1, 3], [1, 4]]
    assert batch_of([])[0].shape == (0, 0)
    texts = TextInputs(torch.tensor([1, 2, 3], dtype=torch.int32), offsets_of(torch.tensor([2, 0, 1])))
    assert [row.tolist() for row in rows_of(texts)] == [[1, 2], [], [3]]
