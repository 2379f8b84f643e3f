"""`crossmod data look`: what a recipe would train on, before it does."""

from __future__ import annotations

from collections.abc import Sequence

from crossmod.cli.arguments import Arguments, suggestion
from crossmod.cli.choose import chosen_domain
from crossmod.cli.recipes import parse_recipe
from crossmod.cli.screen import show_json
from crossmod.errors import UserError

HELP = """\
usage: crossmod data look DOMAIN [--config NAME|FILE ...] [--data.OPTION VALUE ...] [--json]

Read the corpus of a recipe and say what is in it: rows, groups, items of each modality, splits, lengths of texts,
duplicates, what the reader refused, and a few samples. Nothing is trained and nothing is written.

  --config NAME|FILE     look at the corpus of this recipe, not of default.yaml
  --data.OPTION VALUE    change where the corpus is read from; crossmod train DOMAIN --help lists the options
  --json                 one JSON document, for scripts
  --domain FOLDER        take the domain from a plugin's source folder, not an installed one

examples:
  crossmod data look molecule
  crossmod data look molecule --data.path mine.csv --json
"""

ACTIONS = ("look",)


def run(words: Sequence[str]) -> int:
    """Look at a corpus."""
    arguments = Arguments("data", words)
    if arguments.flag("--help", "-h"):
        print(HELP, end="")
        return 0
    action = arguments.leading()
    if action not in ACTIONS:
        found = "nothing to do" if action is None else f"no action '{action}'"
        raise UserError(f"crossmod data has {found}{suggestion(action or '', ACTIONS) or '; it takes: look.'}")
    domain = chosen_domain(arguments)
    if domain is None:
        raise UserError("crossmod data look needs a domain, such as `crossmod data look molecule`.")
    as_json = arguments.flag("--json")
    recipe = parse_recipe(domain, arguments.rest())

    from crossmod.cli.corpus_summary import lines, summarise

    corpus = recipe.data.build()
    facts = summarise(corpus)
    if as_json:
        show_json(facts)
    else:
        print("\n".join(lines(facts)))
    return 0
