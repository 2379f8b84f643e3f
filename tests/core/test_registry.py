"""Plugins are listed without being imported, loaded one at a time, and described when broken."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossmod.errors import UserError
from crossmod.registry import (
    OFFICIAL,
    BrokenDomainError,
    listing,
    load_domain,
    load_domain_folder,
    unmet_requirements,
)

Install = Callable[..., None]

WORKING = """
from pathlib import Path
from crossmod.domain import Domain
from crossmod.recipe import Recipe
domain = Domain({name!r}, "what it is", Recipe, Path("."))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a one-module plugin: the module and its dist-info folder, as pip leaves them."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def write(
        distribution: str, domain: str, source: str, requires: tuple[str, ...] = (), version: str = "0.3"
    ) -> None:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(source)
        facts = site / f"{module}-{version}.dist-info"
        facts.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}", f"Summary: All of {domain}"]
        (facts / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires)]) + "\n")
        (facts / "entry_points.txt").write_text(f"[crossmod.domains]\n{domain} = {module}:domain\n")

    return write


def test_listing_reads_metadata_and_imports_nothing(install: Install) -> None:
    install("reg-quiet", "quiet", "raise RuntimeError('imported')")
    found = {domain.name: domain for domain in listing()}
    assert (found["quiet"].summary, found["quiet"].distribution, found["quiet"].version) == (
        "All of quiet",
        "reg-quiet",
        "0.3",
    )
    assert "reg_quiet" not in sys.modules


def test_official_domains_that_are_not_installed_are_listed_with_their_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OFFICIAL, "botany", "Leaves with floras")
    found = {domain.name: domain for domain in listing()}
    assert set(OFFICIAL) <= set(found)
    missing = [domain for domain in found.values() if not domain.installed]
    assert "botany" in {domain.name for domain in missing}
    assert all(domain.install_command == f"pip install crossmod-{domain.name}" for domain in missing)
    names = [domain.installed for domain in listing()]
    assert names == sorted(names, reverse=True)


def test_an_installed_official_domain_is_listed_once(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OFFICIAL, "botany", "Leaves with floras")
    install("crossmod-botany", "botany", WORKING.format(name="botany"))
    assert [(d.name, d.version) for d in listing() if d.name == "botany"] == [("botany", "0.3")]


def test_loading_one_imports_no_other(install: Install) -> None:
    install("reg-good", "good", WORKING.format(name="good"))
    install("reg-bad", "bad", "import module_that_nobody_has")
    assert load_domain("good").name == "good"
    assert "reg_bad" not in sys.modules


def test_a_broken_plugin_says_what_it_asked_for_and_what_is_there(install: Install) -> None:
    install(
        "reg-broken",
        "broken",
        "\nimport module_that_nobody_has\n",
        ("package-that-nobody-has>=3", "numpy>=999", "pytest", "also-missing; extra == 'more'"),
    )
    with pytest.raises(BrokenDomainError) as caught:
        load_domain("broken")
    text = str(caught.value)
    assert "reg-broken 0.3" in text
    assert "module_that_nobody_has" in text and "reg_broken.py, line 2" in text
    assert "package-that-nobody-has>=3 (not installed)" in text
    import numpy

    assert f"numpy>=999 ({numpy.__version__} is installed)" in text
    assert "pytest" not in text and "also-missing" not in text
    assert "pip install --upgrade reg-broken" in text


def test_a_plugin_broken_by_its_own_fault_says_so(install: Install) -> None:
    install("reg-fault", "fault", "domain = 1 / 0", ("numpy",))
    with pytest.raises(BrokenDomainError, match=r"ZeroDivisionError.*all that it asks for \(numpy\) is installed"):
        load_domain("fault")
    install("reg-syntax", "syntax", "\n\ndef :\n")
    with pytest.raises(BrokenDomainError, match=r"SyntaxError.*reg_syntax\.py, line 3"):
        load_domain("syntax")


def test_an_entry_point_has_to_name_a_domain_of_its_own_name(install: Install) -> None:
    install("reg-number", "number", "domain = 3")
    with pytest.raises(BrokenDomainError, match="which is a int"):
        load_domain("number")
    install("reg-alias", "alias", WORKING.format(name="other"))
    with pytest.raises(BrokenDomainError, match="registers the domain 'alias', but its Domain calls itself 'other'"):
        load_domain("alias")


def test_two_distributions_with_one_name_are_both_named_and_harm_no_other(install: Install) -> None:
    install("reg-first", "twice", WORKING.format(name="twice"))
    install("reg-second", "twice", WORKING.format(name="twice"), version="2.0")
    install("reg-alone", "alone", WORKING.format(name="alone"))
    with pytest.raises(UserError, match=r"reg-first 0\.3") as caught:
        load_domain("twice")
    assert "reg-second 2.0" in str(caught.value)
    assert load_domain("alone").name == "alone"
    assert [d.distribution for d in listing() if d.name == "twice"] == ["reg-first", "reg-second"]


def test_unknown_names_suggest_the_closest(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OFFICIAL, "botany", "Leaves with floras")
    install("reg-colour", "colour", WORKING.format(name="colour"))
    with pytest.raises(UserError, match="did you mean 'colour'"):
        load_domain("color")
    with pytest.raises(UserError, match="crossmod domains"):
        load_domain("zzzzzz")
    with pytest.raises(UserError, match="pip install crossmod-botany"):
        load_domain("botany")


def test_unmet_requirements_of_an_installed_package() -> None:
    assert unmet_requirements("pytest") == []


def checkout(folder: Path, entries: str, module: str = "", source: str = "") -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\n[project.entry-points."crossmod.domains"]\n{entries}\n'
    )
    if module:
        (folder / "src" / f"{module}.py").write_text(source)
    return folder


def test_a_checkout_is_loaded_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = checkout(tmp_path / "a", 'mine = "reg_mine:domain"', "reg_mine", WORKING.format(name="mine"))
    assert load_domain_folder(folder).name == "mine"
    other = checkout(tmp_path / "b", 'mine = "reg_mine:domain"', "reg_mine", WORKING.format(name="mine"))
    with pytest.raises(UserError, match="already imported"):
        load_domain_folder(other)


def test_folders_that_are_no_checkout_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(UserError, match=r"no pyproject\.toml"):
        load_domain_folder(tmp_path)
    with pytest.raises(UserError, match="found: none"):
        load_domain_folder(checkout(tmp_path / "none", ""))
    with pytest.raises(UserError, match="found: a, b"):
        load_domain_folder(checkout(tmp_path / "two", 'a = "x:y"\nb = "x:y"'))
    with pytest.raises(UserError, match="not valid TOML"):
        load_domain_folder(checkout(tmp_path / "bad", "= ="))
    with pytest.raises(BrokenDomainError, match=r"pip install -e .*reg_absent|No module named 'reg_absent'"):
        load_domain_folder(checkout(tmp_path / "absent", 'a = "reg_absent:domain"'))


def test_official_domains_are_those_of_this_repository() -> None:
    plugins = Path(__file__).parents[2] / "plugins"
    assert set(OFFICIAL) == {folder.parent.name for folder in plugins.glob("*/pyproject.toml")}
