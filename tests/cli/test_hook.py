"""`gitagent hook`, and the sh files of `hooks/` as git and the pre-commit framework call them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.running import CALC, ROOT, Project, made
from tests.waiting import until

MENDED = {**CALC, "calc.py": CALC["calc.py"].replace("a - b", "a + b")}
ASKING = "calc: add\n\nGitagent: fix add so that it adds\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return made(tmp_path / "project", tmp_path / "tmp", CALC)


def called(
    project: Project,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """A command of the user's, outside CI, with what the sandbox needs in its environment."""
    environment = project.environment({"GITAGENT_HOOKS": "1"} | dict(env or {}))
    if "CI" not in (env or {}):
        environment.pop("CI", None)
    return subprocess.run(
        arguments,
        cwd=cwd or project.root,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def edited(project: Project, message: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A commit with this message, made as a user makes it."""
    with (project.root / "notes.txt").open("a") as notes:
        notes.write("more\n")
    project.git("add", "--all")
    return called(project, "git", "commit", "--quiet", "-m", message, env=more)


def hooks(project: Project) -> dict[str, tuple[int, bytes]]:
    """The files in the hooks directory: mode and bytes by name."""
    directory = Path(project.git("rev-parse", "--path-format=absolute", "--git-path", "hooks"))
    return {file.name: (file.lstat().st_mode, file.read_bytes()) for file in directory.iterdir()}


def script(project: Project, name: str, text: str) -> None:
    """A hook that was there before."""
    file = project.root / ".git/hooks" / name
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)


def test_uninstalling_leaves_the_hooks_as_they_were(project: Project) -> None:
    script(project, "post-commit", "true\n")
    before = hooks(project)
    done = project.gitagent("hook", "install", "--pre-push")
    assert [line.split(":")[0] for line in done.out.split("\n")[:3]] == ["commit-msg", "post-commit", "pre-push"]
    assert "after the one there was" in done.out and hooks(project).keys() > before.keys()
    shown = project.gitagent("hook", "status").out
    assert shown.count("installed") == 3 and "post-commit  installed (after the one there was)" in shown
    assert "as before" in project.gitagent("hook", "install").out
    assert project.gitagent("hook", "uninstall").out == "uninstalled: commit-msg, post-commit, pre-push\n"
    assert hooks(project) == before
    assert project.gitagent("hook", "uninstall").out == "no hook of ours was installed\n"


def test_a_commit_that_asks_gets_a_proven_pull_request_from_the_background(project: Project) -> None:
    project.gitagent("hook", "install")
    done = edited(project, ASKING)
    assert done.returncode == 0 and "at work in the background" in done.stderr
    tip = project.git("rev-parse", "HEAD")
    until(lambda: bool(project.refs("refs/gitagent/pulls/")))
    assert project.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
    branch = project.branches()[0]
    assert project.git("merge-base", branch, "HEAD") == tip
    assert "a + b" in project.git("show", f"{branch}:calc.py")
    assert project.git("status", "--porcelain") == "" and project.git("rev-parse", "HEAD") == tip
    log = re.search(r"what it says: (.*)", done.stderr)
    assert log is not None
    until(lambda: "proven" in Path(log[1]).read_text())
    until(lambda: not list(project.temporary.iterdir()))


def test_a_commit_that_asks_nothing_starts_nothing(project: Project) -> None:
    project.gitagent("hook", "install")
    done = edited(project, "calc: add a note\n\nThis mentions gitagent: but asks nothing.")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("quiet", [{"CI": "true"}, {"GITAGENT_HOOKS": "0"}], ids=str)
def test_in_ci_and_when_told_so_hooks_do_nothing(project: Project, quiet: dict[str, str]) -> None:
    project.gitagent("hook", "install", "--pre-push")
    done = edited(project, "x\n\nGitagent: nonsense", **quiet)
    assert (done.returncode, done.stderr) == (0, "")
    project.git("init", "--quiet", "--bare", "../far.git")
    assert called(project, "git", "push", "--quiet", "../far.git", "main", env=quiet).returncode == 0


@pytest.mark.parametrize("command", ["rebase", "merge"])
def test_in_the_middle_of_something_else_hooks_start_nothing(project: Project, command: str) -> None:
    project.git("checkout", "--quiet", "-b", "side")
    project.commit({"calc.py": "side\n"}, ASKING)
    project.git("checkout", "--quiet", "main")
    project.commit({"calc.py": "main\n"})
    project.gitagent("hook", "install")
    if command == "rebase":
        project.git("checkout", "--quiet", "side")
    target = "main" if command == "rebase" else "side"
    assert called(project, "git", command, target).returncode != 0
    assert called(project, *command_line("hook run post-commit")).stderr == ""
    (project.root / "calc.py").write_text("both\n")
    project.git("add", "--all")
    if command != "merge":
        done = called(project, "git", "-c", "core.editor=true", command, "--continue")
        assert done.returncode == 0 and "at work" not in done.stderr, done.stderr
    assert project.branches() == []


def command_line(words: str) -> list[str]:
    """`gitagent …`, as the hooks call it."""
    return [sys.executable, "-P", "-m", "gitagent", *words.split()]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("x\n\nGitagent: fix", "does not say what to fix"),
        ("x\n\nGitagent: please mend it", "does not say what to fix"),
        ("Gitagent: fix it\n\nbut this comes after\n", "last paragraph"),
        ("x\n\nGitagent: fix a\nGitagent: fix b", "several"),
    ],
)
def test_a_trailer_that_would_not_be_understood_stops_the_commit(
    project: Project, message: str, told: str
) -> None:
    project.gitagent("hook", "install")
    before = project.git("rev-parse", "HEAD")
    done = edited(project, message)
    assert done.returncode == 1 and project.git("rev-parse", "HEAD") == before
    assert re.fullmatch(r"error: .*" + told + r".* Nothing was committed\.\nhint: .*\n", done.stderr), done.stderr


def test_earlier_hooks_run_first_with_their_arguments_and_input_and_may_stop_it(project: Project) -> None:
    script(project, "commit-msg", 'cat "$1" >../heard; grep -q stop "$1" && exit 7; exit 0\n')
    script(project, "pre-push", 'echo "$1" >../pushed; cat >>../pushed\n')
    project.gitagent("hook", "install", "--pre-push")
    assert edited(project, "go on").returncode == 0 and (project.root / "../heard").read_text() == "go on\n"
    assert edited(project, "stop").returncode == 7 or project.git("log", "-1", "--format=%s") == "go on"
    project.commit(MENDED)
    project.git("init", "--quiet", "--bare", "../far.git")
    assert called(project, "git", "push", "../far.git", "main").returncode == 0
    heard = (project.root / "../pushed").read_text().split()
    assert (
        heard[0] == "../far.git" and heard[1] == "refs/heads/main" and heard[2] == project.git("rev-parse", "main")
    )


def test_red_tests_stop_a_push_and_a_fix_is_offered(project: Project) -> None:
    project.gitagent("hook", "install", "--pre-push")
    project.git("init", "--quiet", "--bare", "../far.git")
    tip = project.git("rev-parse", "HEAD")
    done = called(project, "git", "push", "--quiet", "../far.git", "main")
    assert done.returncode == 1 and f"error: 1 of the tests of {tip[:12]} fail. Nothing was pushed." in done.stderr
    assert f"hint: gitagent fix --base {tip} --test test_calc.py::test_add" in done.stderr
    project.commit(MENDED)
    assert called(project, "git", "push", "--quiet", "../far.git", "main", "main:old").returncode == 0
    assert called(project, "git", "push", "--quiet", "../far.git", ":old").returncode == 0


@pytest.mark.skipif(shutil.which("script") is None, reason="needs util-linux's `script` for a terminal")
def test_at_a_terminal_a_yes_starts_the_fix(project: Project) -> None:
    project.gitagent("hook", "install", "--pre-push")
    project.git("init", "--quiet", "--bare", "../far.git")
    done = called(project, "script", "-qec", "git push --quiet ../far.git main", "/dev/null", stdin="y\n")
    assert done.returncode == 1 and "at work in the background" in done.stdout
    until(lambda: bool(project.refs("refs/gitagent/pulls/")))
    until(lambda: not list(project.temporary.iterdir()))


def test_what_cannot_be_tested_is_pushed_and_said(tmp_path: Path) -> None:
    project = made(tmp_path / "project", tmp_path / "tmp", {"README": "no tests here\n"})
    project.gitagent("hook", "install", "--pre-push")
    project.git("init", "--quiet", "--bare", "../far.git")
    done = called(project, "git", "push", "--quiet", "../far.git", "main", "main:refs/heads/gitagent/1-x")
    assert done.returncode == 0 and done.stderr.count("the push goes on") == 1
    project.commit({"test_none.py": "# nothing to collect\n", "pytest.ini": "[pytest]\n"})
    assert "could not tell" in called(project, "git", "push", "--quiet", "../far.git", "main").stderr


def test_hooks_of_work_trees_are_the_repositorys(project: Project) -> None:
    tree = project.root.parent / "tree"
    project.git("worktree", "add", "--quiet", str(tree), "-b", "topic")
    project.gitagent("hook", "install", cwd=tree)
    assert "post-commit" in hooks(project)
    (tree / "new.txt").write_text("new\n")
    project.git("-C", str(tree), "add", "--all")
    done = called(project, "git", "commit", "--quiet", "-m", ASKING, cwd=tree)
    assert "at work in the background" in done.stderr
    until(lambda: bool(project.refs("refs/gitagent/pulls/")))
    until(lambda: not list(project.temporary.iterdir()))


def test_core_hookspath_of_this_repository_is_honoured_and_of_all_repositories_refused(
    project: Project, home: Path
) -> None:
    project.git("config", "core.hooksPath", "our-hooks")
    project.gitagent("hook", "install")
    assert sorted(file.name for file in (project.root / "our-hooks").iterdir()) == ["commit-msg", "post-commit"]
    project.gitagent("hook", "uninstall")
    assert not (project.root / "our-hooks").exists()
    project.git("config", "--unset", "core.hooksPath")
    project.git("config", "--global", "core.hooksPath", str(home / "everywhere"))
    done = project.gitagent("hook", "install")
    assert done.code == 3 and "set for all your repositories (global)" in done.told[0]
    assert not (home / "everywhere").exists()


def test_a_bare_repository_gets_its_hooks_too(project: Project) -> None:
    project.git("clone", "--quiet", "--bare", ".", "../bare.git")
    bare = project.root.parent / "bare.git"
    project.gitagent("hook", "install", "--pre-push", "--repo", str(bare))
    assert (bare / "hooks/pre-push").exists()
    done = called(project, "git", "push", "--quiet", str(project.root), "main:other", cwd=bare)
    assert done.returncode == 1 and "Nothing was pushed" in done.stderr


def test_two_hooks_that_are_not_ours_are_not_touched(project: Project) -> None:
    script(project, "post-commit", "true\n")
    script(project, "post-commit.before-gitagent", "false\n")
    before = hooks(project)
    done = project.gitagent("hook", "install")
    assert done.code == 3 and "post-commit.before-gitagent is there too" in done.told[0]
    project.gitagent("hook", "uninstall")
    assert hooks(project) == before


def test_a_hook_directory_that_cannot_be_written_is_named(project: Project) -> None:
    project.git("config", "core.hooksPath", "calc.py/hooks")
    done = project.gitagent("hook", "install")
    assert done.code == 3 and "calc.py/hooks/commit-msg cannot be written" in done.told[0]


def test_without_gitagent_on_the_path_the_plain_files_say_so(project: Project) -> None:
    shutil.copy(ROOT / "hooks/post-commit", project.root / ".git/hooks/post-commit")
    done = edited(project, ASKING, PATH=os.defpath)
    assert done.returncode == 0 and "not installed, so nothing was started" in done.stderr


def test_the_pre_commit_framework_runs_them(project: Project, tmp_path: Path) -> None:
    ours = tmp_path / "hooks-of-gitagent"
    ours.mkdir()
    shutil.copytree(ROOT / "hooks", ours / "hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", ours)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "hooks"]):
        subprocess.run(["git", "-C", str(ours), *words], check=True)
    rev = subprocess.run(["git", "-C", str(ours), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    ids = ["commit-msg", "post-commit", "pre-push"]
    project.commit(
        {
            ".pre-commit-config.yaml": f"repos:\n- repo: {ours}\n  rev: {rev.stdout.strip()}\n  hooks:\n"
            + "".join(f"  - id: gitagent-{name}\n" for name in ids)
        }
    )
    path = tmp_path / "bin"
    path.mkdir()
    (path / "gitagent").write_text(f'#!/bin/sh\nexec {" ".join(command_line(""))} "$@"\n')
    (path / "gitagent").chmod(0o755)
    env = {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "PRE_COMMIT_HOME": str(tmp_path / "cache")}
    types = [word for name in ids for word in ("--hook-type", name)]
    done = called(project, *command_line("")[:1], "-m", "pre_commit", "install", *types, env=env)
    assert done.returncode == 0, done.stderr
    refused = edited(project, "x\n\nGitagent: what", **env)
    assert refused.returncode == 1 and "does not say what to fix" in refused.stdout + refused.stderr
    assert "at work in the background" in "".join(output(edited(project, ASKING, **env)))
    until(lambda: bool(project.refs("refs/gitagent/pulls/")))
    until(lambda: not list(project.temporary.iterdir()))
    project.git("init", "--quiet", "--bare", "../far.git")
    pushed = called(project, "git", "push", "--quiet", "../far.git", "main", env=env)
    assert pushed.returncode == 1 and "Nothing was pushed" in "".join(output(pushed))


def output(done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    return done.stdout, done.stderr
