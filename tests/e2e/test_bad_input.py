"""Whatever is wrong is told in one `error:` and one `hint:` line, and nothing was touched."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from gitagent.adapters.engines import engines
from gitagent.core import intake
from tests.e2e.running import CALC, RED, Done, Project
from tests.waiting import until

Files = Mapping[str, str | bytes | None]
Making = Callable[[Files], Project]
ASK = 'gitagent fix "what is wrong, and what should happen instead"'


@pytest.fixture
def refused(untouched: Callable[[Path], str]) -> Callable[..., tuple[str, str]]:
    """Runs a command that must fail with this code and touch nothing; what it told, base and paths left out."""

    def run(
        project: Project, code: int, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> tuple[str, str]:
        before = untouched(project.root), refs(project)
        done = project.gitagent(*arguments, env=env, stdin=stdin)
        assert (untouched(project.root), refs(project)) == before
        assert done.code == code, done.err
        assert done.out == ""
        return plain(project, done)

    def refs(project: Project) -> list[str]:
        # A run that began is written down, and what the tests said of base; nothing else may stay of it.
        kept = ("refs/gitagent/runs/", "refs/gitagent/verdicts")
        inside = (project.root / ".git").is_dir()
        return [ref for ref in project.refs() if not ref.startswith(kept)] if inside else []

    def plain(project: Project, done: Done) -> tuple[str, str]:
        error, hint = done.told
        head = subprocess.run(
            ["git", "-C", str(project.root), "rev-parse", "HEAD"], capture_output=True, check=False
        )
        return (error if head.returncode else error.replace(head.stdout.decode()[:12], "BASE")), hint

    return run


def test_a_directory_that_is_no_repository(tmp_path: Path, refused: Callable[..., tuple[str, str]]) -> None:
    (tmp_path / "plain").mkdir()
    project = Project(tmp_path / "plain", tmp_path / "temporary")
    where = os.path.realpath(tmp_path / "plain")
    told = refused(project, 3, "fix", "x is wrong", env={"GIT_CEILING_DIRECTORIES": str(tmp_path)})
    assert told == (f"{where} is in no git repository", "git init, or --repo DIR")


def test_a_repository_without_a_commit(making: Making, refused: Callable[..., tuple[str, str]]) -> None:
    error, hint = refused(making({}), 3, "fix", "x is wrong")
    assert error.endswith("project has no commit yet") and hint == "git add -A && git commit -m 'First commit'"


@pytest.mark.parametrize(
    ("code", "arguments", "stdin", "error", "hint"),
    [
        (3, ("x is wrong", "--base", "nope"), "", "'nope' names no commit", "git log --oneline --all"),
        (3, ("--commit", "nope"), "", "'nope' names no commit", "git log --oneline --all"),
        (2, (" \u200b ",), "", "the request is empty, expected at least a sentence. Nothing was run.", ASK),
        (2, (), "", "nothing was asked, expected TEXT, --issue, --commit or --test. Nothing was run.", ASK),
        (2, ("x", "--issue", "3"), "", "TEXT and --issue exclude each other, expected one. Nothing was run.",
         "gitagent fix TEXT"),
        (2, ("--issue", "3", "--commit", "HEAD"), "",
         "--issue and --commit exclude each other, expected one. Nothing was run.", "gitagent fix --issue …"),
        (2, ("-",), "x " * 40_000, "the request has 80,000 characters, at most 60,000 are read. Nothing was run.",
         "say what is wrong in a few sentences, and name the failing test with --test"),
        (2, ("--test", "test_calc.py::test_ad"), "",
         "test_calc.py::test_ad: no such test among the 2 run on base. Nothing was changed.",
         "gitagent fix --test test_calc.py::test_add"),
        (2, ("--test", "test_calc.py::test_double"), "",
         "test_calc.py::test_double passes on base, so there is nothing to mend. Nothing was changed.",
         'gitagent fix "what is wrong" runs the whole suite and takes what fails'),
        (2, ("--test", "--pdb"), "", "'--pdb' is no test id. No test was run.", "gitagent fix --test FILE::TEST"),
        (2, ("x", "--api"), "", "--api needs an endpoint, and none is set. Nothing was run.",
         "export GITAGENT_API_BASE_URL=… GITAGENT_API_MODEL=…"),
        (7, ("--issue", "3"), "", "issue 3: this repository has no hosting site, so there are no issues to read",
         'gitagent fix "what is wrong, in a sentence"'),
        (2, ("x", "--test-command", "make && make check"), "",
         "tests.command = 'make && make check' needs a shell, and none is used.",
         "gitagent fix --test-command 'sh -c '\"'\"'make && make check'\"'\"''"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_understood(
    calc: Project,
    refused: Callable[..., tuple[str, str]],
    code: int,
    arguments: tuple[str, ...],
    stdin: str,
    error: str,
    hint: str,
) -> None:
    assert refused(calc, code, "fix", *arguments, stdin=stdin) == (error, hint)


PYTHON_HINT = 'gitagent fix --python VENV …, or --test-command "…"'


@pytest.mark.parametrize(
    ("files", "error", "hint"),
    [
        ({"a.txt": "x"}, "no tests found: no test files or test script of a known kind. Nothing was run.",
         'gitagent fix --test-command "…", or set `command` under [tests] in .gitagent.toml'),
        ({"test_slow.py": "import time\n\n\ndef test_slow():\n    time.sleep(100)\n"},
         "the tests do not run on base BASE: stopped after 1 s without an end. Nothing was committed.",
         "GITAGENT_TESTS_TIMEOUT_SECONDS=900 gitagent fix …"),
        (CALC | {"conftest.py": "raise RuntimeError('boom')\n"},
         "the tests do not run on base BASE: pytest: usage error: E   RuntimeError: boom. Nothing was committed.",
         PYTHON_HINT),
        (CALC | {"test_calc.py": "import nothing_there\n"},
         "test_calc.py fails on base BASE (ModuleNotFoundError: No module named 'nothing_there'), but no line of the "
            "project is under suspicion. Nothing was committed.",
         "gitagent fix --python VENV if a package is missing, else name the file in the request, or use --api"),
        (CALC | {"calc.py": CALC["calc.py"].replace("a - b", "a + b")},
         "no test fails on base BASE, so nothing shows what is wrong without a model. Nothing was committed.",
         "gitagent fix --test NODEID names a failing test; --api or a local model can work from words"),
        (CALC | {".gitagent.toml": "[run]\nminute = 3\n"},
         ".gitagent.toml: there is no setting 'run.minute'; the nearest is 'run.minutes'. Nothing was run.",
         "gitagent config"),
        (CALC | {".gitagent.toml": b"\xff\xfe"},
         ".gitagent.toml: not TOML: Invalid statement (at line 1, column 1). Nothing was run.",
         "edit .gitagent.toml"),
    ],
)  # fmt: skip
def test_a_repository_in_which_no_work_can_begin(
    making: Making, refused: Callable[..., tuple[str, str]], files: Files, error: str, hint: str
) -> None:
    slow = {"GITAGENT_TESTS_TIMEOUT_SECONDS": "1"} if "test_slow.py" in files else {}
    assert refused(making(files), 2, "fix", "x is wrong", env=slow) == (error, hint)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ('[sandbox]\nbackend = "none"\n', "sandbox.backend = 'none'"),
        ('[sandbox]\npython = "/tmp/evil"\n', "sandbox.python = '/tmp/evil'"),
        ('[run]\nmode = "api"\n', "run.mode = 'api'"),
        ("[run]\ndollars = 1000.0\n", "run.dollars = 1000.0"),
        ('[api]\nkey_env = "GITHUB_TOKEN"\n', "api.key_env = 'GITHUB_TOKEN'"),
        ('[forge]\nbase_url = "https://evil.example"\n', "forge.base_url = 'https://evil.example'"),
    ],
)
def test_a_repository_that_would_give_itself_more_than_its_user_did(
    making: Making, refused: Callable[..., tuple[str, str]], setting: str, name: str
) -> None:
    error, hint = refused(making(CALC | {".gitagent.toml": setting}), 2, "fix", "x is wrong")
    assert error == f".gitagent.toml: {name} is not a repository's to say. Nothing was run."
    assert hint.startswith("export GITAGENT_")


def test_an_engine_that_is_down(calc: Project, refused: Callable[..., tuple[str, str]]) -> None:
    error, hint = refused(calc, 6, "fix", "x", "--sandbox", "docker", "--image", "x:1",
                          env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})  # fmt: skip
    assert error.startswith("no container engine answers (unix:///nowhere/docker.sock: ")
    assert error.endswith("Nothing was run.")
    assert hint == "start docker or podman, or choose another: --sandbox bubblewrap, --sandbox none"


@pytest.mark.docker
def test_an_image_that_is_nowhere(calc: Project, refused: Callable[..., tuple[str, str]]) -> None:
    if not engines():
        pytest.skip("no container engine answers")
    error, hint = refused(calc, 6, "fix", "x", "--sandbox", "docker", "--image", "127.0.0.1:9/none:1")
    assert error.startswith("the image 127.0.0.1:9/none:1 is not there and cannot be fetched: ")
    assert error.endswith("Nothing was run.") and hint.startswith("docker pull 127.0.0.1:9/none:1, or ")


def test_a_pull_request_on_a_hosting_site_needs_a_word(
    calc: Project, refused: Callable[..., tuple[str, str]]
) -> None:
    calc.git("remote", "add", "origin", "https://github.com/o/n.git")
    told = refused(calc, 2, "fix", "x is wrong", env={"GITHUB_TOKEN": "t"})
    assert told == (
        "a pull request on github needs your word, and nobody can be asked here. Nothing was run.",
        "gitagent fix --yes …, or --dry-run",
    )


def test_a_hosting_site_without_a_token(calc: Project, refused: Callable[..., tuple[str, str]]) -> None:
    calc.git("remote", "add", "origin", "https://github.com/o/n.git")
    env = {"GITHUB_TOKEN": "", "GH_TOKEN": "", "PATH": "/nowhere"}
    for asking in (("x is wrong",), ("--issue", "3")):
        error, hint = refused(calc, 7, "fix", *asking, "--yes", env=env)
        assert error == "no token for github was found, so no pull request could be opened. Nothing was run."
        assert hint == "export GITHUB_TOKEN=…, or gh auth login; --dry-run needs none"


def test_an_issue_of_a_hosting_site_out_of_reach(calc: Project, refused: Callable[..., tuple[str, str]]) -> None:
    calc.git("remote", "add", "origin", "http://127.0.0.1:9/o/n.git")
    env = {"GITAGENT_FORGE_BASE_URL": "http://127.0.0.1:9", "GITAGENT_FORGE_NAME": "github", "GITHUB_TOKEN": "t"}
    error, hint = refused(calc, 7, "fix", "--issue", "3", "--yes", env=env)
    assert error == "issue 3: 127.0.0.1:9 cannot be reached (ConnectionError). Nothing was run."
    assert "127.0.0.1:9" in hint


def branch_of(text: str) -> str:
    """The scratch branch of a sentence."""
    return intake.branch_of(intake.request(text, source="text", base=""))


def test_a_branch_that_is_checked_out_is_not_started_anew(
    calc: Project, refused: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    branch = branch_of("x is wrong")
    calc.git("branch", branch)
    linked = os.path.realpath(tmp_path / "linked")
    calc.git("worktree", "add", "--quiet", linked, branch)
    error, hint = refused(calc, 3, "fix", "x is wrong", "--again")
    assert error.startswith(f"branch {branch} is checked out in {linked}: ")
    assert hint == f"git -C '{linked}' switch --detach"


def test_a_locked_ref(calc: Project, refused: Callable[..., tuple[str, str]]) -> None:
    lock = calc.root / ".git/refs/heads" / f"{branch_of('x is wrong')}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    error, hint = refused(calc, 3, "fix", "x is wrong")
    assert branch_of("x is wrong") in error and "lock" in f"{error} {hint}"


def test_a_branch_that_somebody_moves_in_the_middle_of_a_run(
    making: Making, untouched: Callable[[Path], str], tmp_path: Path
) -> None:
    marker, go = tmp_path / "marker", tmp_path / "go"
    waiting = (
        "import pathlib, time\n\nfrom calc import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
        f"    pathlib.Path({str(marker)!r}).touch()\n    end = time.monotonic() + 60\n"
        f"    while not pathlib.Path({str(go)!r}).exists() and time.monotonic() < end:\n        time.sleep(0.01)\n"
    )
    calc = making(CALC | {"test_calc.py": waiting})
    branch = branch_of("add is wrong")
    other = calc.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "mine")
    before, head = untouched(calc.root), calc.git("rev-parse", "HEAD")
    process = calc.start("fix", "add is wrong")
    until(marker.exists, process)
    calc.git("update-ref", f"refs/heads/{branch}", other)
    go.touch()
    done = calc.ended(process)
    assert untouched(calc.root) == before
    assert done.code == 3
    assert done.told == (
        f"branch {branch} was moved or deleted by someone else; it was at {head[:12]}. Nothing was committed",
        f"git log --oneline {head[:12]} (our work so far)",
    )
    assert calc.git("rev-parse", branch) == other and calc.refs("refs/gitagent/pulls/") == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=2000", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    root = small_disk / "calc"
    root.mkdir()
    project = Project(root, tmp_path / "temporary")
    project.git("init", "--quiet", "--template=")
    project.commit(CALC)
    status = project.git("status", "--porcelain")
    with pytest.raises(OSError), (small_disk / "filler").open("wb", buffering=0) as file:  # noqa: PT012
        while True:
            file.write(b"x" * 4096)
    done = project.gitagent("fix", "--test", RED)
    (small_disk / "filler").unlink()
    assert done.code == 3, done.err
    error, _ = done.told
    assert "space" in error.lower(), error
    assert project.git("status", "--porcelain") == status and project.git("fsck", "--strict") == ""
    assert project.refs("refs/gitagent/pulls/") == []


def test_a_file_that_is_not_utf_8_is_left_alone_and_named(
    making: Making, untouched: Callable[[Path], str]
) -> None:
    calc = making(CALC | {"calc.py": b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + CALC["calc.py"].encode()})
    before = untouched(calc.root)
    done = calc.gitagent("fix", "add is wrong")
    assert untouched(calc.root) == before
    assert done.code == 2 and "! calc.py is not UTF-8 and was left alone" in done.err
    assert "no line of the project is under suspicion" in done.told[0]


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("--bad",), "No such option '--bad'. Nothing was run.", "gitagent --help"),
        (("nope",), "No such command 'nope'. Nothing was run.", "gitagent --help"),
        (("pr", "nope"), "No such command 'nope'. Nothing was run.", "gitagent pr --help"),
        (("run", "/fix", "--bad"), "No such option '--bad'. (Did you mean one of: '--api', '--base'?) Nothing was run.",
         "gitagent run /fix --help"),
        (("pr", "show"), "Missing argument 'NUMBER'. Nothing was run.", "gitagent pr show --help"),
        (("fix", "x", "--minutes", "soon"), "Invalid value for '--minutes': 'soon' is not a valid float range. "
         "Nothing was run.", "gitagent fix --help"),
    ],
)  # fmt: skip
def test_words_that_are_no_command_are_told_like_any_other_error(
    making: Making, refused: Callable[..., tuple[str, str]], arguments: tuple[str, ...], error: str, hint: str
) -> None:
    assert refused(making(CALC), 2, *arguments) == (error, hint)
