"""The source of a new domain, written from templates: what `crossmod new` does."""

from crossmod.scaffold.write import write_domain

__all__ = ["write_domain"]
