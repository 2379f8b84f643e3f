"""Which domains are installed, and loading one of them without touching the others (torch-free).

A plugin names its domain under the entry point group `crossmod.domains`. Listing reads the metadata that pip wrote
and imports nothing; loading imports the one plugin that was asked for, so a broken one harms nobody else.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import tomllib
import traceback
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from crossmod.domain import Domain
from crossmod.errors import UserError

GROUP = "crossmod.domains"
"""The entry point group under which a plugin names its domain."""

OFFICIAL = {
    "medical": "CT volumes and radiology images with reports",
    "molecule": "Molecular graphs with names and descriptions",
    "speech": "Spoken utterances with what is said and meant",
}
"""The domains that the project publishes as `crossmod-NAME`, with what they train."""


@dataclass(frozen=True)
class ListedDomain:
    """One line of `crossmod domains`.

    Args:
        name: The word after `crossmod train`.
        summary: What the distribution says of itself.
        distribution: The package that pip installs; two installed packages may claim one name, which is an error
            on loading only.
        version: The installed version; empty when it is not installed.
    """

    name: str
    summary: str
    distribution: str
    version: str = ""

    @property
    def installed(self) -> bool:
        """Whether this machine has it."""
        return bool(self.version)

    @property
    def install_command(self) -> str:
        """What installs it."""
        return f"pip install {self.distribution}"


class BrokenDomainError(UserError):
    """An installed plugin that cannot be loaded.

    Args:
        cause: Which one, and why.
        mend: What to do.
    """

    def __init__(self, cause: str, mend: str) -> None:
        super().__init__(f"{cause}; {mend}.")
        self.cause = cause
        self.mend = mend


def listing() -> list[ListedDomain]:
    """Every installed domain and every official one, by name; no plugin is imported."""
    listed = []
    for entry in _installed():
        distribution = entry.dist
        assert distribution is not None, "importlib.metadata finds entry points through their distributions"
        summary = str(distribution.metadata.json.get("summary", ""))
        listed.append(ListedDomain(entry.name, summary, distribution.metadata["Name"], distribution.version))
    present = {domain.name for domain in listed}
    listed += [
        ListedDomain(name, summary, f"crossmod-{name}") for name, summary in OFFICIAL.items() if name not in present
    ]
    return sorted(listed, key=lambda domain: (not domain.installed, domain.name, domain.distribution))


def load_domain(name: str) -> Domain:
    """Import the plugin that provides `name`, and that one only.

    Raises:
        UserError: No installed plugin provides it, or two do.
        BrokenDomainError: The plugin is installed and cannot be loaded.
    """
    entries = [entry for entry in _installed() if entry.name == name]
    if not entries:
        raise UserError(_unknown(name))
    if len(entries) > 1:
        claims = " and ".join(_label(entry) for entry in entries)
        raise UserError(f"The domain '{name}' is claimed by {claims}; uninstall all but one of them.")
    return _load(entries[0], _label(entries[0]))


def load_domain_folder(folder: Path) -> Domain:
    """Load the domain of a source checkout: the entry point of its pyproject.toml, from its `src`.

    Raises:
        UserError: The folder holds no plugin, or more than one.
        BrokenDomainError: The plugin cannot be loaded.
    """
    entry = _checkout_entry(folder)
    source = folder / "src" if (folder / "src").is_dir() else folder
    sys.path.insert(0, str(source.resolve()))
    importlib.invalidate_caches()
    domain = _load(entry, str(folder))
    origin = Path(sys.modules[entry.module].__file__ or "").resolve()
    if not origin.is_relative_to(source.resolve()):
        raise UserError(
            f"{entry.module} was already imported from {origin}, which is not in {folder}; "
            "start a fresh process to run the checkout."
        )
    return domain


def unmet_requirements(distribution: str) -> list[str]:
    """What an installed distribution asks for and does not have: `"rdkit>=2024.3 (not installed)"`.

    Extras are not asked for. An empty list also stands for a distribution that states no requirements.
    """
    from packaging.requirements import Requirement

    unmet = []
    for text in metadata.requires(distribution) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            unmet.append(f"{wanted} (not installed)")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            unmet.append(f"{wanted} ({installed} is installed)")
    return unmet


def _installed() -> list[metadata.EntryPoint]:
    return list(metadata.entry_points(group=GROUP))


def _label(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.metadata['Name']} {entry.dist.version}" if entry.dist else entry.value


def _unknown(name: str) -> str:
    if name in OFFICIAL:
        return f"The domain '{name}' is not installed; run: pip install crossmod-{name}"
    closest = difflib.get_close_matches(name, sorted({entry.name for entry in _installed()} | set(OFFICIAL)), n=1)
    return f"There is no domain '{name}'; " + (
        f"did you mean '{closest[0]}'?" if closest else "`crossmod domains` lists them."
    )


def _load(entry: metadata.EntryPoint, label: str) -> Domain:
    try:
        domain = entry.load()
    except Exception as error:  # a plugin's import may raise anything, and must not end in a traceback of ours
        raise _broken(entry, label, error) from error
    if not isinstance(domain, Domain):
        raise BrokenDomainError(
            f"The domain '{entry.name}' ({label}) names {entry.value}, which is a {type(domain).__name__}",
            "the plugin's entry point has to name a crossmod.domain.Domain",
        )
    if domain.name != entry.name:
        raise BrokenDomainError(
            f"{label} registers the domain '{entry.name}', but its Domain calls itself '{domain.name}'",
            "the plugin has to give both one name",
        )
    return domain


def _broken(entry: metadata.EntryPoint, label: str, error: Exception) -> BrokenDomainError:
    said = " ".join(f"{type(error).__name__}: {error}".split())
    cause = f"The domain '{entry.name}' ({label}) cannot be loaded: {said}{_place(error)}"
    if entry.dist is None:
        return BrokenDomainError(cause, f"install what the checkout needs: pip install -e {label}")
    name = entry.dist.metadata["Name"]
    unmet = unmet_requirements(name)
    if unmet:
        return BrokenDomainError(f"{cause}; it asks for {', '.join(unmet)}", f"run: pip install --upgrade {name}")
    asked = ", ".join(entry.dist.requires or ()) or "nothing"
    cause = f"{cause}; all that it asks for ({asked}) is installed"
    return BrokenDomainError(cause, f"report it to the makers of {name}, or run: pip install --force-reinstall {name}")


def _place(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f" ({Path(error.filename or '?').name}, line {error.lineno})"
    ours = {__file__, importlib.__file__, metadata.__file__}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in ours]
    frames = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _checkout_entry(folder: Path) -> metadata.EntryPoint:
    project = folder / "pyproject.toml"
    if not project.is_file():
        raise UserError(f"{folder} has no pyproject.toml; --domain takes the folder of a plugin's source.")
    try:
        table = tomllib.loads(project.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{project} is not valid TOML: {error}.") from error
    entries = table.get("project", {}).get("entry-points", {}).get(GROUP, {})
    if len(entries) != 1:
        found = ", ".join(sorted(entries)) or "none"
        raise UserError(f'{project} has to name one domain under [project.entry-points."{GROUP}"]; found: {found}.')
    [(name, value)] = entries.items()
    return metadata.EntryPoint(name, value, GROUP)
