"""Free disk, asked before a run starts rather than when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from crossmod.errors import UserError

if TYPE_CHECKING:
    from crossmod.training.assemble import Parts


def require_space(folder: Path, parts: Parts, keep: int) -> None:
    """Refuse to start when the checkpoints of a run will not fit on the disk.

    A checkpoint holds weights, two moments and possibly an average; the newest `keep`, the best one, one being
    written and the exported model stand side by side.

    Raises:
        UserError: There is less free space than that.
    """
    weights = sum(p.numel() * p.element_size() for m in (parts.model, parts.mixture) for p in m.parameters())
    needed = weights * (4 * (keep + 2) + 1)
    free = psutil.disk_usage(str(folder)).free
    if free < needed:
        raise UserError(
            f"{folder} has {free / 2**20:.0f} MiB of free disk and this run needs {needed / 2**20:.0f} MiB for "
            "checkpoints; free some, lower --run.keep, or give another --run.folder."
        )
