from __future__ import annotations

import json
import math
from pathlib import Path

from crossmod.runs.metrics_log import MetricsLog


def test_a_line_an_event_and_null_for_what_is_not_a_number(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    log.write(1, "train", {"loss": 2.5, "norm": math.inf})
    (line,) = log.path.read_text().splitlines()
    assert {k: v for k, v in json.loads(line).items() if k != "time"} == {
        "step": 1,
        "split": "train",
        "loss": 2.5,
        "norm": None,
    }


def test_resuming_cuts_what_will_be_taken_again_and_a_broken_line(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    for step in (1, 5, 10, 15):
        log.write(step, "train", {"loss": 1.0})
    with log.path.open("a") as handle:
        handle.write('{"step": 16, "lo')
    log.cut(10)
    assert [json.loads(line)["step"] for line in log.path.read_text().splitlines()] == [1, 5, 10]


def test_cutting_nothing_is_fine(tmp_path: Path) -> None:
    MetricsLog(tmp_path / "absent.jsonl").cut(3)
    assert not (tmp_path / "absent.jsonl").exists()
