"""Reports and the findings that they state: corpus, the tower of findings, and how they are scored."""
