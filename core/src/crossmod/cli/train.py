"""`crossmod train`: from a recipe to a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossmod.cli.arguments import Arguments, assignments
from crossmod.cli.choose import chosen_domain
from crossmod.cli.manual import recipe_manual
from crossmod.cli.recipes import dump_recipe, parse_recipe
from crossmod.cli.trained import find_trained
from crossmod.domain import Domain
from crossmod.errors import UserError

HELP = """\
usage: crossmod train DOMAIN [--config NAME|FILE ...] [--OPTION VALUE ...]
       crossmod train [DOMAIN] --resume RUN [--run.OPTION VALUE ...]
       crossmod train --domain FOLDER [...]

Train a model and leave a run folder: recipe, metrics, checkpoints, model and report.

  --config NAME|FILE    start from a packaged recipe or a YAML file instead of default.yaml; several are laid
                        over each other in their order, and options override them all
  --OPTION VALUE        change one option, such as --towers.text.depth 4; another class is chosen by its name
                        (--data CLASS), after which the options of that class apply
  --print_config        print the whole recipe that would run, and stop
  --resume RUN          go on with an interrupted run, from its own recipe
  --domain FOLDER       take the domain from a plugin's source folder, not an installed one
  --help                with a domain: all its options; after options or --config: with the values they give

examples:
  crossmod train molecule --run.steps 500 --run.folder runs/first
  crossmod train molecule --config mine.yaml --optimiser.rate 3e-4
  crossmod train molecule --print_config > mine.yaml
  crossmod train molecule --resume runs/first
"""


def run(words: Sequence[str]) -> int:
    """Train, resume, or print the recipe."""
    arguments = Arguments("train", words)
    wants_help = arguments.flag("--help", "-h")
    domain = chosen_domain(arguments)
    if wants_help:
        print(HELP if domain is None else _domain_help(domain, arguments), end="")
        return 0
    resume = arguments.value("--resume")
    print_config = arguments.flag("--print_config")
    command = ["crossmod", "train", *words]
    if resume is not None:
        return _resume(domain, Path(resume), arguments.rest(), print_config, command)
    if domain is None:
        raise UserError(
            "crossmod train needs a domain, such as `crossmod train molecule`; `crossmod domains` lists them."
        )
    recipe = parse_recipe(domain, arguments.rest())
    if print_config:
        print(dump_recipe(recipe), end="")
        return 0
    from crossmod.training.run import train

    return train(domain, recipe, resume=None, command=command)


def _resume(domain: Domain | None, folder: Path, words: list[str], print_config: bool, command: list[str]) -> int:
    for key, _ in assignments(words):
        if not key.startswith("run."):
            raise UserError(
                f"--{key} cannot be changed with --resume, which goes on with the recipe of {folder}; "
                f"only --run.* can, or start a new run from its weights with --run.initialise {folder}."
            )
    trained = find_trained(folder)
    domain = trained.load_domain(domain)
    recipe = parse_recipe(domain, words, base=trained.recipe())
    if print_config:
        print(dump_recipe(recipe), end="")
        return 0
    from crossmod.training.run import train

    return train(domain, recipe, resume=folder, command=command)


def _domain_help(domain: Domain, arguments: Arguments) -> str:
    arguments.flag("--print_config")
    arguments.value("--resume")
    return "\n".join(
        (
            f"usage: crossmod train {domain.name} [--config NAME|FILE ...] [--OPTION VALUE ...]",
            f"       crossmod train {domain.name} --resume RUN [--run.OPTION VALUE ...]",
            "",
            f"{domain.summary} (crossmod train --help tells of --config, --resume and --print_config)",
            "",
            recipe_manual(domain, arguments.rest()),
            "",
            "example:",
            f"  crossmod train {domain.name} --run.steps 500 --seed 1 --run.folder runs/first",
            "",
        )
    )
