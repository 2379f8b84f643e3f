"""Write a plugin package for a domain of one's own: it trains and passes the conformance tests before it is changed."""

from __future__ import annotations

import importlib.util
import keyword
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from crossmod.errors import UserError
from crossmod.runs.atomic import write_folder

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_SUFFIX = ".tmpl"
_PACKAGE = "package"
"""The folder of the template that is named after the domain."""


def write_domain(name: str, folder: Path) -> Path:
    """Write the package `crossmod-NAME` as a folder in `folder`, whole or not at all, and say what to do next.

    Args:
        name: The domain: lower-case letters, digits and single hyphens, a letter first.
        folder: Where the package's folder is made.

    Returns:
        The package's folder.

    Raises:
        UserError: The name cannot be used, `folder` is none, or the package's folder exists already.
    """
    _require_usable(name)
    package = f"crossmod_{name.replace('-', '_')}"
    target = folder / f"crossmod-{name}"
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; make it, or give another --folder.")
    if target.exists() or target.is_symlink():
        raise UserError(f"{target} exists already and stays as it is; move it away, or give another name or --folder.")
    if importlib.util.find_spec(package) is not None:
        raise UserError(f"a Python package {package} is installed already; take another name than '{name}'.")
    names = {"name": name, "package": package}
    write_folder(target, lambda place: _fill(files("crossmod.scaffold") / "template", place, names))
    print(f"wrote {target}; README.md there says what to change where. Next:")
    print(f"  crossmod train --domain {target}")
    print(f"  cd {target} && pip install -e .[dev] && pytest")
    return target


def _require_usable(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UserError(
            f"'{name}' cannot name a domain: lower-case letters, digits and single hyphens, a letter first, "
            "such as 'remote-sensing'."
        )
    if keyword.iskeyword(name):
        raise UserError(f"'{name}' is a word of Python and cannot name a package; take another name.")


def _fill(template: Traversable, place: Path, names: dict[str, str]) -> None:
    """Write one folder of the template; a name that the template forgot to state is a bug and raises."""
    for entry in template.iterdir():
        if entry.is_dir():
            below = place / (names["package"] if entry.name == _PACKAGE else entry.name)
            below.mkdir()
            _fill(entry, below, names)
        elif entry.name.endswith(_SUFFIX):
            text = Template(entry.read_text(encoding="utf-8")).substitute(names)
            (place / entry.name.removesuffix(_SUFFIX)).write_text(text, encoding="utf-8")
