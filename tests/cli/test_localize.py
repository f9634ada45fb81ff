import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.cli import main
from tests.conftest import Git


def run(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(main, ["localize", *words], input=said)


def test_paths_are_printed_best_first_as_json(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "ask.txt").write_text("add of two sums subtracts them")
    found = run("--repo", str(repo), "--request-file", str(tmp_path / "ask.txt"), "--json")
    assert found.exit_code == 0 and json.loads(found.stdout)[0] == "pkg/deep/sums.py"


def test_symbols_are_printed_with_their_lines(repo: Path) -> None:
    found = json.loads(run("--repo", str(repo), "--symbols", "--json", "greet says nothing").stdout)
    assert {key: found[0][key] for key in ("path", "name", "first_line", "last_line")} == {
        "path": "greet.py",
        "name": "greet",
        "first_line": 1,
        "last_line": 2,
    }
    assert run("--repo", str(repo), "--symbols", "greet").stdout.split()[1:3] == ["greet.py:1", "greet"]


def test_a_table_says_why(repo: Path) -> None:
    line = run("--repo", str(repo), "greet").stdout.split("\n")[0]
    assert line.startswith("1.00  greet.py") and "fit" in line


def test_standard_input_is_a_request(repo: Path) -> None:
    assert "greet.py" in run("--repo", str(repo), "-", said="greet").stdout
    assert "greet.py" in run("--repo", str(repo), "--request-file", "-", said="greet").stdout


def test_another_commit_can_be_looked_at(repo: Path) -> None:
    assert json.loads(run("--repo", str(repo), "--rev", "HEAD~1", "--json", "add sums greet").stdout) == [
        "greet.py"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_request_may_begin_with_the_mark_of_its_encoding(repo: Path, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "ask.txt").write_bytes("greet".encode(encoding))
    assert "greet.py" in run("--repo", str(repo), "--request-file", str(tmp_path / "ask.txt")).stdout


def test_files_that_a_partial_clone_lacks_are_told(repo: Path, git: Git, tmp_path: Path) -> None:
    git(repo, "config", "uploadpack.allowFilter", "true")
    words = (
        "clone",
        "--quiet",
        "--no-checkout",
        "--filter=blob:none",
        f"file://{repo}",
        str(tmp_path / "partial"),
    )
    git(tmp_path, *words)
    found = run("--repo", str(tmp_path / "partial"), "--json", "greet")
    assert found.exit_code == 0 and json.loads(found.stdout) == []
    assert "files are not in this partial clone" in found.stderr and "hint: git fetch --refetch" in found.stderr
    assert "partial" not in run("--repo", str(repo), "greet").stderr


def test_nothing_found_is_said_and_is_an_empty_array(repo: Path) -> None:
    found = run("--repo", str(repo), "zzzz qqqq")
    assert found.exit_code == 0 and found.stdout == "" and "shares a word" in found.stderr
    assert json.loads(run("--repo", str(repo), "--json", "zzzz qqqq").stdout) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["   "], 2, "the request is empty"),
        ([], 2, "the request is empty"),
        (["--request-file", "nowhere/ask.txt"], 2, "nowhere/ask.txt: cannot be read"),
        (["--request-file", "/"], 2, "/: cannot be read"),
        (["some", "--request-file", "x"], 2, "exclude each other"),
        (["some", "--rev", "nowhere"], 3, "'nowhere' names no commit"),
    ],
)
def test_bad_input_is_one_error_line(repo: Path, words: list[str], code: int, said: str) -> None:
    found = run("--repo", str(repo), *words)
    assert found.exit_code == code and said in found.stderr and found.stderr.startswith("error: ")


def test_a_directory_without_a_repository_and_one_without_a_commit_are_told_apart(tmp_path: Path) -> None:
    import subprocess

    nowhere = run("--repo", str(tmp_path), "words")
    assert nowhere.exit_code == 3 and "in no git repository" in nowhere.stderr
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    empty = run("--repo", str(tmp_path), "words")
    assert empty.exit_code == 3 and "has no commit yet" in empty.stderr and "hint: git add" in empty.stderr
