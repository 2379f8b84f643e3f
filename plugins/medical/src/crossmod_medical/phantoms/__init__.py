"""The default corpus: chest phantoms in hounsfield units, each with a report of what was put into it."""
