"""Readers of corpora, one a layout."""
