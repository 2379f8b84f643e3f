"""Which domain a command is about: a name, or the folder of a plugin's source."""

from __future__ import annotations

from pathlib import Path

from crossmod.cli.arguments import Arguments
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.registry import load_domain, load_domain_folder


def folder_domain(arguments: Arguments) -> Domain | None:
    """Take `--domain FOLDER`, when it is given.

    Raises:
        UserError: The folder holds no domain that can be loaded.
    """
    folder = arguments.value("--domain")
    return load_domain_folder(Path(folder)) if folder is not None else None


def chosen_domain(arguments: Arguments) -> Domain | None:
    """Take the domain's name, or `--domain FOLDER`; None when neither is there.

    Raises:
        UserError: There is no such domain, or both are given.
    """
    name, domain = arguments.leading(), folder_domain(arguments)
    if name is not None and domain is not None:
        raise UserError(f"crossmod {arguments.verb}: give the domain by name ({name}) or by --domain, not both.")
    return load_domain(name) if name is not None else domain
