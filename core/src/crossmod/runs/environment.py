"""What a run ran on, for the record."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from crossmod.domain import Domain


def environment(domain: Domain, command: Sequence[str]) -> dict[str, Any]:
    """The command, the versions and the machine of a run, as JSON values; no user or host name."""
    packages = ("crossmod", f"crossmod-{domain.name}", "torch", "lightning", "numpy", "tokenizers")
    return {
        "domain": domain.name,
        "command": " ".join(command),
        "python": platform.python_version(),
        "packages": {name: version for name in packages if (version := _version(name)) is not None},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    if sys.platform == "linux":
        with Path("/proc/cpuinfo").open(encoding="utf-8") as handle:
            for line in handle:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
