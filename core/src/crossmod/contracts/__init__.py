"""The contracts between domains and core: what a corpus, a processor, a tower and an objective are."""
