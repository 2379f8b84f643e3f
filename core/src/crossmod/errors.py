"""Errors that are the user's to mend: one clear sentence and the next command, exit code 2."""

from __future__ import annotations


class UserError(ValueError):
    """Something in the input, the settings or the machine has to change before the command can work.

    The text is one sentence for a person: what was found, where, and what to do. The command line prints it
    without a traceback and ends with exit code 2.
    """
