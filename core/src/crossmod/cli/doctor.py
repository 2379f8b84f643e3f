"""`crossmod doctor`: whether this machine can train, and what to do where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossmod.cli.arguments import Arguments
from crossmod.cli.screen import show_json, show_table

HELP = """\
usage: crossmod doctor [--json]

Look at what a training run needs: Python, torch, Lightning, the installed domains (each is imported), the device,
threads, free memory and disk, and whether this folder can be written. Every finding that is not well comes with
the command that mends it. The exit code is 2 when something prevents training.

  --json    one JSON document, for scripts

example:
  crossmod doctor
"""


def run(words: Sequence[str]) -> int:
    """Print the findings."""
    arguments = Arguments("doctor", words)
    if arguments.flag("--help", "-h"):
        print(HELP, end="")
        return 0
    as_json = arguments.flag("--json")
    arguments.finish()
    from crossmod.cli.health import examine

    findings = list(examine(Path.cwd()))
    blocked = any(finding.state == "prevents training" for finding in findings)
    if as_json:
        show_json({"can_train": not blocked, "findings": [vars(finding) for finding in findings]})
    else:
        show_table(("what", "state", "found"), [(f.what, f.state, f.found) for f in findings])
        for finding in findings:
            if finding.mend:
                print(f"\n{finding.what}: {finding.mend}")
        print(f"\n{'Training is prevented; mend the above.' if blocked else 'This machine can train.'}")
    return 2 if blocked else 0
