"""The memory law: beyond inputs and gradients a step holds two embedding-sized temporaries and a few tiles at most."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("measure_peak.py")
BATCH, DIM = 4096, 256
MIB = 2**20

pytestmark = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak is measured through Linux's /proc/self/clear_refs"
)


LOSSES = ("infonce", "infonce normalised", "infonce groups", "sigmoid", "sigmoid normalised", "cwcl")


@pytest.fixture(scope="module")
def peaks_mib():
    """Peak of every loss at batch 4096, and of one at 2048, from one process of their own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "0"}
    steps = [*(f"{loss}:{BATCH}" for loss in LOSSES), f"sigmoid:{BATCH // 2}"]
    command = [sys.executable, SCRIPT, str(DIM), *steps]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("loss", LOSSES)
def test_extra_memory_is_linear_in_the_batch(loss, peaks_mib):
    allowed = 2 * BATCH * DIM * 4 / MIB + 16
    assert allowed < BATCH * BATCH * 4 / MIB / 2, "the bound has to exclude a matrix of logits"
    assert 0 < peaks_mib[f"{loss}:{BATCH}"] <= allowed


def test_twice_the_batch_takes_at_most_2_2_times_the_memory(peaks_mib):
    slack_mib = 2.0
    assert peaks_mib[f"sigmoid:{BATCH}"] <= 2.2 * peaks_mib[f"sigmoid:{BATCH // 2}"] + slack_mib
