# ruff: noqa: E501 - diffs are easier to read whole
import pytest

from gitagent.core.diffs import Refused, apply_reply, check_path


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "a/../b", "../x", "a//b", "./x", ".git/config", "sub/.git/x", ".GIT/x", ".git", "C:/x", "\\x",
     "a\\..\\b", ".g\u200cit/x", ".git\u200d/x", "\ufeff.git/x", ".git./x", ".git /x", "git~1/x", "GIT~1", "git~2/x",
     ".git::$INDEX_ALLOCATION/x", "a\nb", "a\x00b", "nul", "con.txt", "aux", ".. /x", "~/x", "x" * 300, "a/" * 3000 + "x",
     "．git/x", ".ｇit/x"],
)  # fmt: skip
def test_a_hostile_path_is_refused(path: str) -> None:
    with pytest.raises(Refused) as caught:
        check_path(path)
    assert caught.value.kind == "forbidden"


@pytest.mark.parametrize(
    "path", ["a.py", ".gitignore", ".github/x", "a b/é.py", "..a/b..", "console.py", "git/x", "a\udcff"]
)
def test_a_plain_path_is_not(path: str) -> None:
    check_path(path)


NEW = "--- /dev/null\n+++ b/{}\n@@ -0,0 +1 @@\n+x\n"
TREE = {"src/a.py": 0o100644, "link": 0o120000, "mod": 0o160000, "run.sh": 0o100755}


@pytest.mark.parametrize(
    "path", ["link", "link/x", "mod", "mod/x", "src/a.py/x", "SRC/b.py", "src/A.PY", "../x", ".git/x"]
)
def test_a_path_the_tree_has_no_room_for_is_refused(path: str) -> None:
    with pytest.raises(Refused) as caught:
        apply_reply(NEW.format(path), lambda _: None, tree=TREE)
    assert caught.value.kind == "forbidden"
    assert caught.value.path == path


def test_two_new_files_that_differ_in_case_only_are_refused() -> None:
    with pytest.raises(Refused, match="in case or spelling only"):
        apply_reply(NEW.format("x.py") + NEW.format("X.py"), lambda _: None)


def test_a_new_file_beside_old_ones_is_made() -> None:
    applied = apply_reply(NEW.format("src/b.py"), lambda _: None, tree=TREE)
    assert applied.texts == {"src/b.py": "x\n"}
