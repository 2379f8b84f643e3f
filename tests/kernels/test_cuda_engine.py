"""The Triton engine, run by Triton's interpreter on the CPU, against the torch engine."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crossmod_kernels import infonce, sigmoid_pairs

SCRIPT = Path(__file__).with_name("interpreted_kernels.py")


@pytest.fixture(scope="module")
def errors():
    """Relative differences by case, from a process in which Triton was imported as an interpreter."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("the triton module is not installed, which comes with torch on Linux")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    # The interpreter is numpy, which warns where a GPU computes infinity; the losses then take another path.
    command = [sys.executable, "-W", "error", "-W", "ignore::RuntimeWarning", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_losses_and_gradients_equal_those_of_the_torch_engine(errors):
    compared = {name: error for name, error in errors.items() if not name.startswith("poisoned")}
    assert len(compared) == 2 * 2 * 16
    for name, error in compared.items():
        if "bf16" in name:
            # Each engine rounds exp(Z) to 8 bits in its own way.
            assert error <= 1.6e-2, name
        else:
            assert error <= (1e-10 if "float64" in name else 1e-5), (name, error)


def test_not_a_number_passes_through_every_kernel(errors):
    poisoned = {name: value for name, value in errors.items() if name.startswith("poisoned")}
    assert len(poisoned) == 16
    assert all(math.isnan(value) for value in poisoned.values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cuda_equals_double_precision_on_the_cpu(dtype, value_and_gradients):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.nn.functional.normalize(torch.randn(700, 64, generator=generator)) for _ in range(2))
    a, b = a.to(dtype), b.to(dtype)
    tolerance = 1e-3 if dtype == torch.float32 else 2e-2
    for loss in (
        lambda x, y, s: infonce(x, y, s, normalise=False),
        lambda x, y, s: sigmoid_pairs(x, y, s, -s / 2, normalise=False),
    ):
        found = value_and_gradients(loss, a.cuda(), b.cuda(), torch.tensor(20.0, device="cuda"))
        expected = value_and_gradients(loss, a.double(), b.double(), torch.tensor(20.0, dtype=torch.float64))
        for one, other in zip(found, expected, strict=True):
            error = float((one.cpu().double() - other).abs().max() / other.abs().max())
            assert error <= tolerance
