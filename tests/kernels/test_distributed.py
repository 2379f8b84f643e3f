"""Two, three and four processes: their averaged losses and gradients are those of one process on the joined batch."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crossmod_kernels import infonce, infonce_distributed, sigmoid_pairs

SCRIPT = Path(__file__).with_name("process_of_a_group.py")
_spec = importlib.util.spec_from_file_location("process_of_a_group", SCRIPT)
shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(shared)

TOLERANCE = {"float64": 1e-10, "float32": 1e-6}


@pytest.fixture(scope="module", params=[2, 3, 4], ids=["2 processes", "3 processes", "4 processes"])
def results(request, tmp_path_factory):
    """What each process saved. Warnings are errors there, so that a deprecated collective fails here."""
    folder = tmp_path_factory.mktemp("group")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                SCRIPT,
                str(rank),
                str(request.param),
                folder / "meet",
                folder / f"{rank}.pt",
            ],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(request.param)
    ]
    errors = [process.communicate(timeout=300)[1] for process in started]
    assert all(process.returncode == 0 for process in started), "\n".join(errors)
    return [torch.load(folder / f"{rank}.pt") for rank in range(request.param)]


def averaged(shares):
    """Loss, gradients of all rows in order, gradients of the numbers: what data-parallel averaging gives."""
    count = len(shares)
    value = sum(share[0] for share in shares) / count
    rows = [torch.cat([share[place] for share in shares]) / count for place in (1, 2)]
    numbers = [sum(share[place] for share in shares) / count for place in range(3, len(shares[0]))]
    return [value, *rows, *numbers]


def test_infonce_averages_to_the_joined_batch(results):
    cases = [case for case in results[0]["losses"] if case[0] == "infonce"]
    assert len(cases) == 2 * 2 * 3 * 2
    for case in cases:
        _, _, dtype_name, kind, scale_name = case
        a, b, group = shared.joined_batch(shared.DTYPES[dtype_name])
        more = shared.groups_of(kind, group)
        scale = torch.tensor(shared.SCALES[scale_name], dtype=a.dtype)
        expected = shared.differentiate(lambda x, y, s, more=more: infonce(x, y, s, **more), a, b, scale)
        found = averaged([result["losses"][case] for result in results])
        for one, other in zip(found, expected, strict=True):
            # At scale 400 a logit's own rounding in single precision is 400 times that of a cosine.
            bound = TOLERANCE[dtype_name] * max(1.0, float(other.abs().max())) * max(1.0, float(scale) / 14)
            assert float((one - other).abs().max()) <= bound, case


def test_sigmoid_pairs_average_to_the_joined_batch(results):
    cases = [case for case in results[0]["losses"] if case[0] == "sigmoid"]
    assert len(cases) == 2 * 2 * 3
    for case in cases:
        _, _, dtype_name, kind = case
        a, b, group = shared.joined_batch(shared.DTYPES[dtype_name])
        more = shared.groups_of(kind, group)
        numbers = (torch.tensor(10.0, dtype=a.dtype), torch.tensor(-5.0, dtype=a.dtype))
        expected = shared.differentiate(lambda x, y, s, t, more=more: sigmoid_pairs(x, y, s, t, **more), a, b, *numbers)
        found = averaged([result["losses"][case] for result in results])
        for one, other in zip(found, expected, strict=True):
            bound = TOLERANCE[dtype_name] * max(1.0, float(other.abs().max()))
            assert float((one - other).abs().max()) <= bound, case


def test_a_fault_of_one_process_is_an_error_on_all(results):
    expected = {
        "width": "dimensions",
        "empty": ("are empty", "process 0 refused"),
        "unpaired": ("1 keys", "process 0 refused"),
        "types": "types of a",
        "groups": "group ids given",
        "alone": "which no key in group_b has",
        "factor": "weigh it alike",
    }
    for rank, result in enumerate(results):
        assert set(result["refusals"]) == set(expected)
        for name, words in expected.items():
            text = words if isinstance(words, str) else words[min(rank, 1)]
            assert text in result["refusals"][name], (rank, name)


def test_each_process_may_weigh_its_own_infonce(results):
    """sum_r f_r L_r by autograd: rows and keys of process r carry the factor f_r."""
    processes = len(results)
    sizes = shared.SPLITS[processes]["unequal"]
    a, b, _ = shared.joined_batch(torch.float64)
    factor = torch.cat([torch.full((size,), rank + 1.0, dtype=torch.float64) for rank, size in enumerate(sizes)])
    expected = shared.differentiate(
        lambda x, y, s: (factor * infonce(x, y, s, reduction="none")).sum() * processes / shared.TOTAL,
        a,
        b,
        torch.tensor(14.0, dtype=torch.float64),
    )
    shares = [result["own factors"] for result in results]
    for place in (1, 2):
        found = torch.cat([share[place] for share in shares])
        torch.testing.assert_close(found, expected[place], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(sum(share[3] for share in shares), expected[3], rtol=1e-10, atol=1e-12)


def test_not_a_number_anywhere_is_not_a_number_everywhere(results):
    assert all(math.isnan(result["poisoned"]) for result in results)


def test_no_process_group_is_said_so():
    rows = torch.eye(3)
    with pytest.raises(RuntimeError, match="init_process_group"):
        infonce_distributed(rows, rows, torch.tensor(10.0))
