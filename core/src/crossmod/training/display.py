"""What a person sees while a run works: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_EVERY_SECONDS = 10.0
"""Without a terminal, one line of progress so often."""


class Display:
    """Progress of preparing and training.

    Args:
        console: Where to; None shows nothing (the processes of a run that are not the first).
    """

    def __init__(self, console: Console | None) -> None:
        self.console = console
        live = console is not None and console.is_terminal
        self._progress = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[detail]}"),
                console=console,
                expand=True,
                transient=True,
            )
            if live
            else None
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}

    @classmethod
    def for_main(cls, main: bool) -> Display:
        """A display on standard output for the first process, none for the others."""
        return cls(Console(file=sys.stdout, soft_wrap=True, highlight=False) if main else None)

    def __enter__(self) -> Display:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        if self.console is not None:
            self.console.print(text, markup=False)

    def reading(self, modality: str, done: int, total: int) -> None:
        """Progress of preparing one modality."""
        self.advance(f"reading {modality}", done, total)

    def advance(self, what: str, done: int, total: int, terms: Mapping[str, float] | None = None) -> None:
        """Progress of some work, with the values that matter beside it."""
        if self.console is None:
            return
        detail = "  ".join(f"{name} {value:.4g}" for name, value in (terms or {}).items())
        if self._progress is not None:
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(what, total=total, detail="")
            self._progress.update(self._tasks[what], completed=done, total=total, detail=detail)
            return
        now = time.monotonic()
        if done >= total or now - self._said.setdefault(what, now) >= LINE_EVERY_SECONDS:
            self._said[what] = now
            self.say(f"{what} {done}/{total}  {detail}".rstrip())
