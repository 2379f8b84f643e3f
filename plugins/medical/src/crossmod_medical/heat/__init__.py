"""Where in a volume a phrase is seen: maps of similarity, and their pictures for the run report."""
