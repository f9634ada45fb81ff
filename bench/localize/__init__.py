"""How often the files that a real fix changed are found from its words alone, beside plain BM25 over files."""
