import multiprocessing
import os

import numpy as np

from crossmod.contracts.processor import Processed
from crossmod.text.packing import joined, one_thread_in_workers, pack_tokens, token_inputs, truncation_counts


def processed(texts):
    return Processed(pack_tokens(texts), np.arange(len(texts)))


def test_parts_are_joined_in_order():
    inputs = token_inputs([processed([[1, 2], [3]]), processed([]), processed([[4]])])
    assert inputs.ids.tolist() == [1, 2, 3, 4]
    assert inputs.offsets.tolist() == [0, 2, 3, 4]


def test_no_part_is_no_text():
    assert len(token_inputs([])) == 0
    assert joined([], "ids", np.int32).dtype == np.int32


def test_counts_name_the_limit():
    assert truncation_counts([], 64) == {}
    assert truncation_counts([3, 4], 64) == {
        "texts longer than 64 tokens": 2,
        "tokens dropped from texts longer than 64 tokens": 7,
    }


def test_workers_alone_are_kept_to_one_thread(monkeypatch):
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    one_thread_in_workers()
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.current_process)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    one_thread_in_workers()
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true", "a user's own choice stands"
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    one_thread_in_workers()
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
