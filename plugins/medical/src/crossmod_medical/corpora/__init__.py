"""From the files of a data set to a corpus: one layout a module."""
