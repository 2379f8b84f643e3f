"""The folder of one run: what stands where, and what is written when."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod.runs.atomic import write_json, write_text
from crossmod.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint


@dataclass(frozen=True)
class RunFolder:
    """`recipe.yaml environment.json metrics.jsonl rejects.tsv checkpoints/ processors/ model/ report.html`.

    Args:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(cls, domain: str, wanted: str) -> RunFolder:
        """Make a new run folder: `wanted`, or `runs/DOMAIN-DATE-TIME`.

        Raises:
            UserError: The folder already holds a run.
        """
        if wanted:
            path = Path(wanted)
            if (path / "recipe.yaml").exists():
                raise UserError(
                    f"{path} already holds a run; continue it with `crossmod train {domain} --resume {path}`, "
                    "or give another --run.folder."
                )
        else:
            stem = Path("runs") / f"{domain}-{time.strftime('%Y%m%d-%H%M%S')}"
            path, number = stem, 2
            while path.exists():
                path, number = stem.with_name(f"{stem.name}-{number}"), number + 1
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run.

        Raises:
            UserError: There is no run in it.
        """
        if not (path / "recipe.yaml").is_file():
            raise UserError(f"{path} is not a run folder (it has no recipe.yaml); look for one with `ls runs`.")
        return cls(path)

    def discard_if_empty(self) -> None:
        """Remove the folder of a run that failed before it wrote anything."""
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    @property
    def recipe(self) -> Path:
        """The resolved recipe; `crossmod train DOMAIN --config` on it gives the same numbers."""
        return self.path / "recipe.yaml"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def model(self) -> Path:
        """The exported model, which loads anywhere."""
        return self.path / "model"

    @property
    def processors(self) -> Path:
        """The fitted processors, which a resumed run reads instead of fitting again."""
        return self.path / "processors"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def report(self) -> Path:
        """The static page of the run."""
        return self.path / "report.html"

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Write what the run ran on."""
        write_json(self.path / "environment.json", facts)

    def read_environment(self) -> dict[str, Any]:
        """What the run ran on; empty when it was never written."""
        path = self.path / "environment.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return dict(found)

    def write_rejected(self, rejected: Sequence[Rejected]) -> None:
        """Write what could not be used: line, modality, item and reason, tab separated."""
        lines = ["line\tmodality\treason\titem"]
        for entry in rejected:
            cells = (str(entry.line), entry.modality, entry.reason, entry.item)
            lines.append("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells))
        # Half a surrogate pair, which may be why an item is here, cannot be written as it is.
        table = ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace").decode("utf-8")
        write_text(self.path / "rejects.tsv", table)

    def save(self, checkpoint: Checkpoint, *, keep: int) -> Path:
        """Write a checkpoint, then remove all but the newest `keep`."""
        path = self.checkpoints / f"step-{checkpoint.step:08d}.safetensors"
        write_checkpoint(path, checkpoint)
        for old in self._steps()[: -max(1, keep)]:
            old.unlink()
        return path

    def save_best(self, checkpoint: Checkpoint) -> Path:
        """Write the checkpoint with the best validation score so far."""
        path = self.checkpoints / "best.safetensors"
        write_checkpoint(path, checkpoint)
        return path

    def newest(self) -> Checkpoint:
        """The newest checkpoint that can be read.

        Raises:
            UserError: There is none.
        """
        steps = self._steps()
        if not steps:
            raise UserError(f"{self.path} has no checkpoint to resume from; start the run anew.")
        return read_checkpoint(steps[-1])

    def best(self) -> Checkpoint | None:
        """The checkpoint with the best validation score, when one was kept."""
        path = self.checkpoints / "best.safetensors"
        return read_checkpoint(path) if path.is_file() else None

    def _steps(self) -> list[Path]:
        return sorted(self.checkpoints.glob("step-*.safetensors"))
