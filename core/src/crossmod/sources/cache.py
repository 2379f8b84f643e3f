"""Where packages keep what can be made again: generated corpora, decoded volumes."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(domain: str) -> Path:
    """The folder of a domain below `$CROSSMOD_CACHE`, or below `~/.cache/crossmod`; it need not exist."""
    stated = os.environ.get("CROSSMOD_CACHE", "")
    return (Path(stated).expanduser() if stated else Path.home() / ".cache" / "crossmod") / domain
