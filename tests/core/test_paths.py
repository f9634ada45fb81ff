import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.paths import check_path, folded, is_git_directory
from gitagent.errors import DiffError


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b.py",
        ".github/x.yml",
        ".gitignore",
        "a/.gitattributes",
        "digit~1",
        "ü/ß.py",
        "\udcff.py",
        "a b",
        "..a",
        "git",
    ],
)
def test_an_ordinary_path_may_be_written(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("\\\\host\\share", "absolute"),
        ("C:/x", "absolute"),
        ("c:x", "absolute"),
        ("..", "leaves"),
        ("a/../../b", "leaves"),
        ("a\\..\\b", "leaves"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("./a", "empty part"),
        (".git", "git's own"),
        (".GIT/config", "git's own"),
        ("a/.Git/hooks/x", "git's own"),
        (".git\\config", "git's own"),
        ("GIT~1/config", "git's own"),
        (".git ./config", "git's own"),
        (".git::$INDEX_ALLOCATION/config", "git's own"),
        (".g\u200cit/config", "git's own"),
        ("\ufeff.git/config", "git's own"),
        ("a\0b", "control character"),
        ("a\nb", "control character"),
        ("x" * 256, "longer than 255"),
        ("x/" * 2048 + "x", "longer than 4096"),
        ("\ud800", "no text"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_by_name(path: str, why: str) -> None:
    with pytest.raises(DiffError, match=why) as caught:
        check_path(path)
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith("Nothing was changed")


def test_names_that_clash_where_case_is_ignored_fold_to_the_same() -> None:
    assert folded("Foo.py") == folded("foo.PY")
    assert folded("Stra\u00dfe") == folded("STRASSE")
    assert folded("e\u0301") == folded("\u00e9")
    assert folded("a") != folded("b")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=".gGiItT~1 :/\\a\u200c", max_size=12))
def test_whatever_is_accepted_stays_below_the_root_and_out_of_git(path: str) -> None:
    try:
        check_path(path)
    except DiffError:
        return
    parts = path.replace("\\", "/").split("/")
    assert not path.startswith("/")
    assert ".." not in parts
    assert not any(map(is_git_directory, parts))
