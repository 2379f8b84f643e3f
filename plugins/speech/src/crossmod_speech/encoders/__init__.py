"""Towers of speech."""
