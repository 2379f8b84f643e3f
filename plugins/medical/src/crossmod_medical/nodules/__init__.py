"""Lung nodules with radiologists' ratings: corpus, sentences about them, and how malignancy is scored."""
