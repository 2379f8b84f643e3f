"""Every test runs on one thread and from one seed."""

from __future__ import annotations

import os

import pytest
import torch

# Two cores serve the whole suite; more threads than one only add noise to it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
