"""The findings of `crossmod doctor`, each with what mends it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from crossmod.errors import UserError
from crossmod.registry import BrokenDomainError, listing, load_domain, unmet_requirements

State = Literal["well", "worth knowing", "prevents training"]

_GIB = 2**30
LEAST_DISK_GIB = 1.0
LEAST_MEMORY_GIB = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Args:
        what: The thing.
        state: How it is.
        found: What was found.
        mend: What to do; empty when nothing has to be done.
    """

    what: str
    state: State
    found: str
    mend: str = ""


def examine(folder: Path) -> Iterator[Finding]:
    """Look at everything that a run in `folder` needs."""
    yield Finding("python", "well", f"{platform.python_version()} at {sys.executable}")
    yield _requirements()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch, finding = _import("torch")
        yield finding
        yield _import("lightning")[1]
        yield from _domains()
    yield _warnings(caught)
    if torch is not None:
        yield _device(torch)
        yield Finding("threads", "well", f"torch uses {torch.get_num_threads()} of {os.cpu_count()} processors")
    yield _memory()
    yield _disk(folder)
    yield _writable(folder)


def _requirements() -> Finding:
    try:
        unmet = unmet_requirements("crossmod")
        version = metadata.version("crossmod")
    except metadata.PackageNotFoundError:
        return Finding("crossmod", "prevents training", "not installed as a package", "run: pip install crossmod")
    if unmet:
        mend = "run: pip install --upgrade crossmod"
        return Finding("crossmod", "prevents training", f"{version} asks for {', '.join(unmet)}", mend)
    return Finding("crossmod", "well", f"{version}, with all that it asks for")


def _import(name: str) -> tuple[Any, Finding]:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a broken binary package may raise anything
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        return None, Finding(name, "prevents training", cause, f"run: pip install --force-reinstall {name}")
    return module, Finding(name, "well", metadata.version(name))


def _domains() -> Iterator[Finding]:
    installed = [domain for domain in listing() if domain.installed]
    usable = 0
    for name in sorted({domain.name for domain in installed}):
        try:
            load_domain(name)
        except BrokenDomainError as error:
            yield Finding(f"domain {name}", "worth knowing", error.cause, error.mend)
            continue
        except UserError as error:
            yield Finding(f"domain {name}", "worth knowing", str(error), "uninstall what you do not want")
            continue
        usable += 1
        entry = next(domain for domain in installed if domain.name == name)
        yield Finding(f"domain {name}", "well", f"{entry.distribution} {entry.version}")
    if not usable:
        mend = "install one, such as: pip install crossmod-molecule"
        yield Finding("domains", "prevents training", "no installed domain can be loaded", mend)


def _warnings(caught: list[warnings.WarningMessage]) -> Finding:
    if not caught:
        return Finding("warnings", "well", "importing all of the above warns of nothing")
    first = " ".join(str(caught[0].message).split())[:200]
    return Finding("warnings", "worth knowing", f"importing warns {len(caught)} times; first: {first}")


def _device(torch: Any) -> Finding:
    if not torch.cuda.is_available():
        return Finding("device", "well", "no GPU that torch can use; training runs on the processor")
    names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    free, total = torch.cuda.mem_get_info()
    return Finding("device", "well", f"{names}; {free / _GIB:.1f} of {total / _GIB:.1f} GiB free on the first")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free"
    if memory.available < LEAST_MEMORY_GIB * _GIB:
        mend = "close other programs, or lower --run.batch_size or --run.chunk_size"
        return Finding("memory", "worth knowing", found, mend)
    return Finding("memory", "well", found)


def _disk(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    found = f"{usage.free / _GIB:.1f} of {usage.total / _GIB:.1f} GiB free in {folder}"
    if usage.free < LEAST_DISK_GIB * _GIB:
        mend = "free some, lower --run.keep, or put runs elsewhere with --run.folder"
        return Finding("disk", "worth knowing", found, mend)
    return Finding("disk", "well", found)


def _writable(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        mend = "change to a folder of your own, or give --run.folder"
        return Finding("folder", "prevents training", f"{folder} cannot be written: {error.strerror}", mend)
    return Finding("folder", "well", f"{folder} can be written")
