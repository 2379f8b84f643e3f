"""metrics.jsonl: one line an event, appended and flushed, cut back on resume to what the checkpoint knows."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

from crossmod.runs.atomic import write_text


class MetricsLog:
    """Appends lines `{"step": ..., "time": ..., "split": ..., name: value, ...}`.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Append one line; a value that is not finite is written as null, which every JSON reader takes."""
        line = {"step": step, "time": round(time.time(), 3), "split": split}
        numbers = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({**line, **numbers}) + "\n")

    def cut(self, step: int) -> None:
        """Drop the lines of steps after `step`, which a resumed run will take again."""
        if not self.path.is_file():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that a killed process had begun
            if entry.get("step", 0) <= step:
                kept.append(line)
        write_text(self.path, "".join(f"{line}\n" for line in kept))
