"""Recipe files as YAML, read strictly: what a person would not notice is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from crossmod.errors import UserError


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML whose keys are unique, whose booleans are true and false, and whose 1e-3 is a number."""


def _unique_mapping(loader: _StrictLoader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} is not text", problem_mark=key_node.start_mark)
        if key in seen:
            problem = f"'{key}' stands twice (lines {seen[key]} and {line}); keep one of them"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
        seen[key] = line
    return dict(yaml.SafeLoader.construct_mapping(loader, node, deep=True))


# YAML 1.1 reads off and no as false, 2024-01-01 as a date and 1e-3 as text: each surprises in a recipe.
_PLAIN = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float"}
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _PLAIN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false|True|False)$"), list("tfTF"))
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$|^[-+]?\.inf$|^\.nan$"),
    list("-+.0123456789"),
)
_StrictLoader.add_constructor("tag:yaml.org,2002:map", _unique_mapping)


class _FaithfulDumper(yaml.SafeDumper):  # type: ignore[misc]
    """Quotes every text that a YAML reader, strict or not, could take for something else."""


def _quoted_where_needed(dumper: _FaithfulDumper, text: str) -> yaml.ScalarNode:
    style = '"' if not text.isprintable() else "'" if read_value(text) != text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_FaithfulDumper.add_representer(str, _quoted_where_needed)


def write_yaml(tree: Any) -> str:
    """Write plain values as YAML that `read_mapping` reads back equal."""
    return str(yaml.dump(tree, Dumper=_FaithfulDumper, sort_keys=False, allow_unicode=True, width=110))


def read_value(text: str) -> Any:
    """Read one value as YAML; text that is no YAML stands for itself."""
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.YAMLError:
        return text


def read_mapping(text: str, origin: str) -> dict[str, Any]:
    """Read YAML whose top is a mapping.

    Args:
        text: The YAML.
        origin: The file's name, for messages.

    Raises:
        UserError: It is no YAML, repeats a key, indents with tabs, or holds no mapping.
    """
    try:
        tree = yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{origin} cannot be read as YAML{_place(error, text)}.") from error
    if not isinstance(tree, dict):
        found = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise UserError(f"{origin} holds {found} where a recipe's options are expected (key: value, one a line).")
    return tree


def read_file(path: Path) -> dict[str, Any]:
    """Read a recipe file.

    Raises:
        UserError: It is missing, unreadable, or `read_mapping` refuses it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"There is no recipe file {path}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); a recipe is a YAML file.") from error
    except OSError as error:
        raise UserError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    return read_mapping(text, str(path))


def _place(error: yaml.YAMLError, text: str) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": {error}"
    line = error.problem_mark.line
    lines = text.splitlines()
    if line < len(lines) and "\t" in lines[line][: len(lines[line]) - len(lines[line].lstrip())]:
        return f": line {line + 1} is indented with a tab; use spaces"
    return f": line {line + 1}: {error.problem}"
