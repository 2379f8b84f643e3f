"""`crossmod evaluate`: score a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossmod.cli.arguments import Arguments, assignments, suggestion
from crossmod.cli.choose import folder_domain
from crossmod.cli.manual import evaluation_manual
from crossmod.cli.recipes import parse_recipe
from crossmod.cli.trained import find_trained
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.evaluation.settings import ATTACKS, CORE_EVALUATIONS

HELP = """\
usage: crossmod evaluate RUN [--on NAME | --attack NAME] [--OPTION VALUE ...] [--data.OPTION VALUE ...] [--json]

Score a trained model: RUN is a run folder, or the model folder of one. The tables go to the screen and are kept in
RUN/evaluations.

  --on NAME              the evaluation (retrieval)
  --attack NAME          retrieval on attacked input instead: sga, c-pgc or universal
  --OPTION VALUE         an option of that evaluation; crossmod evaluate --on NAME --help lists them
  --data.OPTION VALUE    score on another corpus than the model was trained on, such as --data.path new.csv
  --json                 one JSON document, for scripts
  --domain FOLDER        take the domain from a plugin's source folder, not an installed one

examples:
  crossmod evaluate runs/first
  crossmod evaluate runs/first --on retrieval --split validation
  crossmod evaluate runs/first --attack sga --budget 0.1 --transfer runs/second
"""


DEFAULT = "retrieval"


def is_data_option(word: str) -> bool:
    """Whether `--key=value` says where a corpus is read from.

    >>> is_data_option("--data.path=x.csv"), is_data_option("--database=x")
    (True, False)
    """
    key = word.partition("=")[0]
    return key == "--data" or key.startswith("--data.")


def run(words: Sequence[str]) -> int:
    """Score the model."""
    arguments = Arguments("evaluate", words)
    wants_help = arguments.flag("--help", "-h")
    path, given = arguments.leading(), folder_domain(arguments)
    name = _named(arguments.value("--on"), arguments.value("--attack"))
    if wants_help:
        return _help(Path(path) if path is not None else None, given, name)
    as_json = arguments.flag("--json")
    if path is None:
        raise UserError("crossmod evaluate needs a run, such as `crossmod evaluate runs/first`.")
    trained = find_trained(Path(path))
    domain = trained.load_domain(given)
    name = name or DEFAULT
    _require_known(domain, name)
    words = [f"--{key}={value}" for key, value in assignments(arguments.rest())]
    about_data = [word for word in words if is_data_option(word)]
    options = [word for word in words if not is_data_option(word)]
    data = parse_recipe(domain, about_data, base=trained.recipe()).data if about_data else None
    from crossmod.evaluation.run import evaluate

    return evaluate(domain, Path(path), name=name, options=options, data=data, as_json=as_json)


def _named(evaluation: str | None, attack: str | None) -> str | None:
    if attack is None:
        return evaluation
    if attack not in ATTACKS:
        names = ", ".join(ATTACKS)
        raise UserError(f"there is no attack '{attack}'; there are {names}{suggestion(attack, ATTACKS) or '.'}")
    if evaluation not in (None, attack):
        raise UserError(f"--on {evaluation} and --attack {attack} are two evaluations; run one after the other.")
    return attack


def _require_known(domain: Domain, name: str) -> None:
    known = [*CORE_EVALUATIONS, *domain.evaluations]
    if name not in known:
        names = ", ".join(known)
        raise UserError(f"there is no evaluation '{name}'; {domain.name} has {names}{suggestion(name, known) or '.'}")


def _help(path: Path | None, given: Domain | None, name: str | None) -> int:
    domain = find_trained(path).load_domain(given) if path is not None else given
    evaluations = {**CORE_EVALUATIONS, **(domain.evaluations if domain is not None else {})}
    if name is not None:
        if name not in evaluations:
            hint = suggestion(name, evaluations) or "; give the RUN too when it is one of its domain's own."
            raise UserError(f"there is no evaluation '{name}'{hint}")
        print(evaluation_manual(evaluations[name]))
        return 0
    print(HELP)
    print(
        "evaluations:" if domain is not None else "evaluations of every domain (give the RUN to see its domain's own):"
    )
    for evaluation in evaluations.values():
        print(f"  {evaluation.name:<16}  {evaluation.summary}")
    return 0
