import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitagent.core.diffs import between, lines_of
from gitagent.core.diffs.lines import changes


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def git_applies(tmp_path: Path, texts: dict[str, tuple[str | None, str | None]]) -> None:
    """The diff between the texts, given to `git apply` without options, leads from the old to the new."""
    for path, (old, _) in texts.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if old is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(as_bytes(old))
    diff = between(texts)
    done = subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=as_bytes(diff.text), capture_output=True)
    assert done.returncode == 0, done.stderr.decode() + diff.text
    for path, (_, new) in texts.items():
        file = tmp_path / path
        assert (file.read_bytes() if file.exists() else None) == (None if new is None else as_bytes(new))


@pytest.mark.parametrize(
    "path",
    ["plain.py", "with blank.py", "tab\there.py", 'quo"te.py', "back\\slash.py", "é/ü.py", "new\nline",
     "not\udcffutf8", "a/b/a/b", "trailing ", "x b/x", "-dash", " lead", "{a => b}"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("old", "new"),
    [("one\ntwo\n", "one\n2\n"), (None, ""), ("", None), (None, "x\n"), (None, "x"), ("x", None),
     ("x", "x\n"), ("x\n", "x"), ("a\r\nb\n", "a\r\nc\r\n"), ("\ufeffa\n", "a\n"), ("\udcff\n", "\udcfe\n"), ("", "a"),
     ("a", "")],
)  # fmt: skip
def test_git_applies_what_between_writes(tmp_path: Path, path: str, old: str | None, new: str | None) -> None:
    git_applies(tmp_path, {path: (old, new)})


line = st.sampled_from(["a\n", "b\n", "c\n", "\n", "--- a\n", "+++ b\n", "@@\n", "d\r\n"])
text = st.builds(lambda lines, end: "".join(lines) + end, st.lists(line, max_size=30), st.sampled_from(["", "z"]))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=text, new=text)
def test_any_two_texts_have_a_diff_that_git_applies(tmp_path: Path, old: str, new: str) -> None:
    if old != new:
        git_applies(tmp_path, {"f": (old, new)})


@settings(max_examples=200, deadline=None)
@given(old=text, new=text)
def test_changes_lead_from_old_to_new(old: str, new: str) -> None:
    source, target = lines_of(old), lines_of(new)
    out, at = [], 0
    for a, b, c, d in changes(source, target):
        assert source[at:a] == target[len(out) : len(out) + a - at]
        out += source[at:a] + target[c:d]
        at = b
    assert out + source[at:] == target


def test_a_diff_counts_lines_and_names_paths_in_order() -> None:
    diff = between({"b": ("-- x\n", "++ y\n"), "a": (None, "1\n2\n"), "same": ("s\n", "s\n")})
    assert (diff.paths, diff.added, diff.removed) == (("a", "b"), 3, 1)


def test_a_changed_mode_is_written_even_without_changed_text() -> None:
    diff = between({"run.sh": ("x\n", "x\n")}, modes={"run.sh": (0o100644, 0o100755)})
    assert diff.text == "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
