"""The command `crossmod`: finds the verb, runs it, and turns what the user has to mend into one sentence.

Exit codes: 0 done; 1 a bug of ours, with its traceback; 2 something to mend, in one sentence on stderr; 130 stopped
by Ctrl-C. Only the verb that was asked for is imported, and none imports torch before it needs it.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from crossmod.cli.arguments import suggestion
from crossmod.errors import UserError

VERBS = {
    "domains": "list the installed domains, and those that could be",
    "train": "train a model from a recipe, or go on with an interrupted run",
    "evaluate": "score a trained model",
    "embed": "write the vectors of a corpus as Parquet",
    "data": "look at a corpus before training on it",
    "doctor": "check that this machine can train, and say what mends it",
    "new": "write the source of a new domain",
}
"""The verbs; each is the module of its name in `crossmod.cli`, with a `HELP` and a `run(words)`."""

EXAMPLES = """\
examples:
  crossmod train molecule --run.steps 500 --run.folder runs/first
  crossmod evaluate runs/first
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _make_output_safe()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except UserError as error:
        return _refuse(str(error))
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except (PermissionError, FileNotFoundError) as error:
        return _refuse(_file_sentence(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _refuse(_full_disk_sentence(error))
        return _confess()
    except KeyboardInterrupt:
        return _stopped()
    except Exception:
        return _confess()


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h", "help"):
        print(_overview(), end="")
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"crossmod {version('crossmod')}")
        return 0
    verb = words[0]
    if verb not in VERBS:
        what = f"there is no option {verb}" if verb.startswith("-") else f"there is no verb '{verb}'"
        raise UserError(f"{what}{suggestion(verb, VERBS) or '; crossmod --help lists the verbs.'}")
    module = importlib.import_module(f"crossmod.cli.{verb}")
    code: int = module.run(words[1:])
    return code


def _overview() -> str:
    verbs = "\n".join(f"  {verb:<9} {meaning}" for verb, meaning in VERBS.items())
    return (
        "usage: crossmod VERB ...\n\n"
        "Train, evaluate and export cross-modal foundation models of one domain.\n\n"
        f"verbs (crossmod VERB --help tells more):\n{verbs}\n\n"
        "options:\n  --version  print the version\n  --help     print this page\n\n"
        f"{EXAMPLES}"
    )


def _make_output_safe() -> None:
    # A sample with a character that the terminal's encoding lacks must not end the command.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _refuse(sentence: str) -> int:
    line = " ".join(sentence.split())
    print(line if line.startswith("crossmod ") else f"crossmod: {line}", file=sys.stderr)
    return 2


def _file_sentence(error: OSError) -> str:
    name = error.filename if error.filename is not None else "a file (the system does not say which)"
    if isinstance(error, PermissionError):
        return f"{name} may not be opened by this user; change its permissions (chmod), or choose another place."
    return f"there is no file or folder {name}; check the path (it counts from {Path.cwd()})."


def _full_disk_sentence(error: OSError) -> str:
    place = f" while writing {error.filename}" if error.filename is not None else ""
    return (
        f"the disk is full{place}; files are written whole or not at all, so the checkpoints that the run folder shows "
        "are complete: free some space, then go on with `crossmod train --resume RUN`."
    )


def _stopped() -> int:
    print("crossmod: stopped by Ctrl-C.", file=sys.stderr)
    return 130


def _confess() -> int:
    traceback.print_exc()
    print(
        "crossmod: this is a bug in crossmod or in a plugin, not in what you asked for; please report the lines above.",
        file=sys.stderr,
    )
    return 1
