"""Telling the time of a step from the time of waiting for its data."""

from __future__ import annotations

import time


class StepClock:
    """Counts seconds inside steps and between them; validation and checkpoints count as neither."""

    def __init__(self) -> None:
        self._steps = 0
        self._step = self._wait = 0.0
        self._mark = time.perf_counter()

    def resume(self) -> None:
        """From here on, the loop waits for data."""
        self._mark = time.perf_counter()

    def begin(self) -> None:
        """The data is there; the step starts."""
        now = time.perf_counter()
        self._wait, self._mark = self._wait + now - self._mark, now

    def end(self) -> None:
        """The step is done."""
        now = time.perf_counter()
        self._step, self._mark = self._step + now - self._mark, now
        self._steps += 1

    def read(self, batch_size: int) -> dict[str, float]:
        """Rows a second and the share of waiting since the last reading, and start over."""
        total = self._step + self._wait
        rows, waited = self._steps * batch_size / max(total, 1e-9), self._wait / max(total, 1e-9)
        self._steps, self._step, self._wait = 0, 0.0, 0.0
        return {"rows_per_second": rows, "wait_share": waited}
