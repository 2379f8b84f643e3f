"""A domain as pip would install it: its entry point on the path, so that the command finds it by name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from crossmod.domain import Domain
from crossmod.registry import GROUP


def entry_point(domain: Domain) -> str:
    """The `"package.module:name"` of a domain, which stands in the module of its recipe class."""
    module = domain.recipe.__module__
    names = [name for name, value in vars(sys.modules[module]).items() if value is domain]
    assert names, f"{module} defines the recipe of the domain {domain.name}, but not the domain itself"
    return f"{module}:{names[0]}"


@contextmanager
def installed(domain: Domain, folder: Path) -> Iterator[None]:
    """Inside, the domain is installed; one that is installed already stays as it is.

    Args:
        domain: The domain.
        folder: An empty folder for what pip would write.
    """
    if any(entry.name == domain.name for entry in metadata.entry_points(group=GROUP)):
        yield
        return
    facts = folder / f"crossmod_{domain.name.replace('-', '_')}-0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: crossmod-{domain.name}\nVersion: 0\nSummary: {domain.summary}\n",
        encoding="utf-8",
    )
    (facts / "entry_points.txt").write_text(f"[{GROUP}]\n{domain.name} = {entry_point(domain)}\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        importlib.invalidate_caches()
