"""Radiology reports: sections, sentences, negations, and the prompts of findings."""
