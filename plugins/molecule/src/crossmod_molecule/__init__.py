"""Molecules and text for crossmod: readers, encoders, evaluations and recipes."""
