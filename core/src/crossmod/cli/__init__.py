"""The command `crossmod`: a thin dispatcher, one module a verb, one adapter around the recipe parser."""
