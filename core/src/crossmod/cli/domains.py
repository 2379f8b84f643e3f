"""`crossmod domains`: what is installed, and what could be."""

from __future__ import annotations

from collections.abc import Sequence

from crossmod.cli.arguments import Arguments
from crossmod.cli.screen import show_json, show_table
from crossmod.registry import listing

HELP = """\
usage: crossmod domains [--json]

List the domains that this machine has, and the official ones that it could have with the command that installs
them. Nothing is imported: a broken plugin is listed too, and `crossmod doctor` says what is wrong with it.

  --json    one JSON list, for scripts

example:
  crossmod domains
"""


def run(words: Sequence[str]) -> int:
    """Print the list."""
    arguments = Arguments("domains", words)
    if arguments.flag("--help", "-h"):
        print(HELP, end="")
        return 0
    as_json = arguments.flag("--json")
    arguments.finish()
    domains = listing()
    if as_json:
        show_json(
            [
                {
                    "name": domain.name,
                    "summary": domain.summary,
                    "distribution": domain.distribution,
                    "version": domain.version or None,
                    "installed": domain.installed,
                    "install": domain.install_command,
                }
                for domain in domains
            ]
        )
        return 0
    rows = [
        (
            domain.name,
            f"{domain.distribution} {domain.version}" if domain.installed else domain.install_command,
            domain.summary,
        )
        for domain in domains
    ]
    show_table(("domain", "installed, or how to", "what it is"), rows)
    return 0
