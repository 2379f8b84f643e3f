"""`crossmod new`: a plugin of one's own, ready to be filled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossmod.cli.arguments import Arguments
from crossmod.errors import UserError
from crossmod.registry import listing

HELP = """\
usage: crossmod new NAME [--folder FOLDER]

Write the source of a new domain, crossmod-NAME, with a data reader, a tower, a recipe and tests that run.
NAME is lower-case letters, digits and single hyphens, and starts with a letter.

  --folder FOLDER   where the folder crossmod-NAME is made (.)

example:
  crossmod new spectra --folder ~/plugins
"""


def run(words: Sequence[str]) -> int:
    """Write the plugin."""
    arguments = Arguments("new", words)
    if arguments.flag("--help", "-h"):
        print(HELP, end="")
        return 0
    name, folder = arguments.leading(), Path(arguments.value("--folder") or ".")
    arguments.finish()
    if name is None:
        raise UserError("crossmod new needs a name, such as `crossmod new spectra`.")
    _require_free(name)
    from crossmod.scaffold import write_domain

    write_domain(name, folder)
    return 0


def _require_free(name: str) -> None:
    taken = next((domain for domain in listing() if domain.name == name), None)
    if taken is not None:
        raise UserError(f"the domain '{name}' exists already ({taken.distribution}); take another name.")
