"""Every test runs on one thread and from one seed."""

from __future__ import annotations

import os

import hypothesis
import pytest
import torch

# Two cores serve the whole suite; more threads than one only add noise to it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# One set of examples for everyone, so that no run fails by the luck of its draws; `explore` looks for new ones.
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
