from gitagent.core.syntax import broken


def test_a_python_file_that_is_none_is_named_with_its_line() -> None:
    assert broken({"a.py": "x = 1\n", "b.txt": "x = (", "c.py": None}) == ""
    assert broken({"pkg/a.py": "x = 1\ny = (\n"}) == "pkg/a.py would be no Python any more at line 2"
    assert broken({"a.py": "x = '\\d'\n"}) == ""  # a doubtful escape only warns
    assert broken({"a.py": "x\0"}).startswith("a.py would be no Python any more")
    assert broken({"a.py": "-" * 100_000 + "1"}).startswith("a.py would be no Python any more")
