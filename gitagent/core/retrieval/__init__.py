"""Which files and functions a request is about, by its words, names and the repository's history; no model asked."""
