"""The words after a verb: options that the verb takes for itself, and the rest, which belongs to the recipe.

argparse guesses where options that it does not know end (`--run.steps 5 molecule`); here every option is written
`--name value` or `--name=value`, and nothing is abbreviated.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from crossmod.errors import UserError


def closest(word: str, known: Iterable[str]) -> str:
    """The known word nearest to `word`, whatever its case, or the empty text when none is near.

    >>> closest("sedd", ["seed", "data"]), closest("filip", ["FILIP", "FDT"])
    ('seed', 'FILIP')
    """
    names = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), list(names), n=1)
    return names[matches[0]] if matches else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """The clause that ends a refusal: `"; did you mean --seed?"`, or nothing."""
    match = closest(word, known)
    return f"; did you mean {match}?" if match else ""


class Arguments:
    """What was typed after a verb, taken apart piece by piece.

    Args:
        verb: The verb as typed, for messages.
        words: The words after it.
    """

    def __init__(self, verb: str, words: Iterable[str]) -> None:
        self.verb = verb
        self._words = list(words)
        self._known: list[str] = []

    def leading(self) -> str | None:
        """Take the first word, unless it is an option."""
        if self._words and not self._words[0].startswith("-"):
            return self._words.pop(0)
        return None

    def flag(self, *names: str) -> bool:
        """Take every occurrence of an option without a value; whether there was one.

        Raises:
            UserError: It was given a value.
        """
        self._known += names
        for word in self._words:
            if "=" in word and word.split("=", 1)[0] in names:
                raise UserError(f"{word.split('=', 1)[0]} takes no value; write it alone.")
        given = any(word in names for word in self._words)
        self._words = [word for word in self._words if word not in names]
        return given

    def values(self, name: str) -> list[str]:
        """Take every value of an option that may be repeated.

        Raises:
            UserError: It stands without a value.
        """
        self._known.append(name)
        values, rest = [], []
        words = iter(self._words)
        for word in words:
            if word == name:
                values.append(_following(name, next(words, None)))
            elif word.startswith(f"{name}="):
                values.append(word.removeprefix(f"{name}="))
            else:
                rest.append(word)
        self._words = rest
        return values

    def value(self, name: str) -> str | None:
        """Take the value of an option that is given at most once.

        Raises:
            UserError: It stands without a value, or twice.
        """
        values = self.values(name)
        if len(values) > 1:
            raise UserError(f"{name} is given {len(values)} times; give it once.")
        return values[0] if values else None

    def rest(self) -> list[str]:
        """Take all that is left, for the recipe to read."""
        rest, self._words = self._words, []
        return rest

    def finish(self) -> None:
        """Refuse whatever is left.

        Raises:
            UserError: A word is left that the verb does not know.
        """
        if not self._words:
            return
        name = self._words[0].split("=", 1)[0]
        hint = suggestion(name, self._known)
        what = f"there is no option {name}" if name.startswith("-") else f"'{name}' is not expected"
        raise UserError(f"crossmod {self.verb}: {what}{hint or f'; see crossmod {self.verb} --help.'}")


def assignments(words: Iterable[str]) -> list[tuple[str, str]]:
    """Read `--key value` and `--key=value` into (key, value), in order.

    >>> assignments(["--run.steps", "5", "--seed=-1"])
    [('run.steps', '5'), ('seed', '-1')]

    Raises:
        UserError: A word is no option, or an option has no value.
    """
    pairs = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not name.startswith("--") or len(name) == 2:
            raise UserError(f"'{word}' is not expected here; options are written --name value.")
        pairs.append((name[2:], value if equals else _following(name, next(rest, None))))
    return pairs


def _following(name: str, word: str | None) -> str:
    if word is None or word.startswith("--"):
        raise UserError(f"{name} needs a value: write {name} VALUE.")
    return word
