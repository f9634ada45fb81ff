"""The commands a stranger types, and what must be true before the first of them runs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = ("docker", "github3", "gguf", "httpx", "llama_cpp", "llguidance", "numpy", "openai", "pydantic", "requests")


def run(*command: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("target", ["demo", "test", "bench", "lint", "format", "local", "lock", "clean"])
def test_the_makefile_has_the_target(target: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    dry = run("make", "--dry-run", target)
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.strip()


def test_the_readme_names_the_two_commands_first() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.index("make demo") < text.index("make test") < 4000


def test_every_script_is_executable_and_parses() -> None:
    for script, shell in (("scripts/with", "sh"), (".ci/run", "bash"), (".ci/base-image", "bash")):
        assert os.access(ROOT / script, os.X_OK), script
        assert run(shell, "-n", script).returncode == 0, script


def test_a_machine_without_a_recent_python_is_told_so_in_one_line_with_a_hint(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    old = tools / "python3"
    old.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.9.2;; *) exit 1;; esac\n")
    old.chmod(0o755)
    answer = run(
        str(tools / "sh"),
        str(ROOT / "scripts" / "with"),
        "core",
        "true",
        env={"PATH": str(tools), "GITAGENT_VENV": str(tmp_path / "venv")},
    )
    assert answer.returncode == 1
    assert answer.stdout == ""
    error, hint = answer.stderr.splitlines()
    assert error.startswith("error: no Python 3.11 or newer")
    assert "Python 3.9.2" in error
    assert hint.startswith("hint: ")
    assert not (tmp_path / "venv").exists()


def test_an_environment_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "precious").write_text("kept")
    answer = run(
        sys.executable, "scripts/environment.py", "core", "true", env=os.environ | {"GITAGENT_VENV": str(venv)}
    )
    assert answer.returncode == 1
    assert f"error: {venv} has no working Python" in answer.stderr
    assert [path.name for path in venv.iterdir()] == ["precious"]


def test_an_unknown_layer_is_answered_with_the_usage() -> None:
    answer = run(sys.executable, "scripts/environment.py", "everything")
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: usage: scripts/with core|lint|local|test COMMAND")


def test_the_command_line_starts_without_the_slow_packages() -> None:
    program = f"""
import sys
from gitagent.cli import main
for words in (["--help"], ["--version"]):
    try:
        main(words)
    except SystemExit as done:
        assert not done.code, done.code
print("loaded", sorted(sys.modules.keys() & set({SLOW!r}) | ({{"pygit2", "rich"}} & sys.modules.keys())))
"""
    answer = run(sys.executable, "-c", program)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "loaded []"


def test_only_the_adapter_of_a_slow_package_loads_it_when_it_is_imported() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "gitagent").rglob("*.py"))
        # What runs inside a sandbox imports what is there; the demo's project is not ours to import.
        if path.name != "__main__.py" and not {"inside", "project"} & set(path.parts)
    ]
    # The adapters last: each may load the package it is for, nothing above them may.
    above = [name for name in modules if ".adapters." not in name]
    program = f"""
import importlib, sys
for name in {above!r}:
    importlib.import_module(name)
    loaded = sorted(sys.modules.keys() & set({SLOW!r}))
    assert not loaded, f"{{name}} loads {{loaded}}"
for name in {[name for name in modules if ".adapters." in name]!r}:
    importlib.import_module(name)
"""
    answer = run(sys.executable, "-c", program)
    assert answer.returncode == 0, answer.stderr


def test_no_committed_file_names_a_place_on_somebodys_machine_or_a_registry() -> None:
    listed = run("git", "ls-files", "-z")
    if listed.returncode:
        pytest.skip("not in a git checkout")
    suspicious = re.compile(
        r"""(?<![\w"}.])/(?:home|root|Users)/[\w.-]+|(?:pypi|pythonhosted|registry\.npmjs)\.(?:org|com)"""
    )
    ours = ("Makefile", ".ci/", ".github/", "scripts/", "requirements/", "bench/", "pyproject.toml", "README.md")
    for name in listed.stdout.split("\0"):
        if name.startswith((*ours, "gitagent/", "docs/")) and not name.endswith((".gguf", ".png", ".gif")):
            found = suspicious.search((ROOT / name).read_text(errors="replace"))
            assert found is None, f"{name} names {found[0]}"


def test_what_the_package_says_about_compiling_local_models_can_be_typed() -> None:
    from gitagent import local_build

    assert local_build.command(in_clone=True) == "make local"
    command = local_build.command(in_clone=False)
    shown = run("sh", "-c", command.replace("pip install", "printf '%s|'"), env={"PATH": os.defpath})
    assert shown.stdout == "gitagent[local]|"
    assert Path(local_build.LEAN_CMAKE).read_text().splitlines()[-1] == "set(LLAMA_BUILD_COMMON OFF)"
    assert all(switch.startswith("-D") and switch in command for switch in local_build.SWITCHES)


def test_the_whole_gate_is_what_the_workflow_runs_and_it_asks_for_no_permission_it_can_do_without() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "run: bash .ci/run" in workflow
    assert re.findall(r"^permissions:\n  (.*)$", workflow, re.MULTILINE) == ["contents: read"]
    assert "secrets." not in workflow
    gate = (ROOT / ".ci" / "run").read_text()
    assert "\nmake lint\n" in gate
    assert "\nmake test\n" in gate


def test_the_coverage_gate_counts_branches_and_asks_for_ninety_percent() -> None:
    coverage = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]
    assert coverage["run"]["branch"] is True
    assert coverage["report"]["fail_under"] >= 90
