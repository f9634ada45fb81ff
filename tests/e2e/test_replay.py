"""`gitagent replay`: the same questions, the same diffs, or what is different."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.running import RED, Project
from tests.gguf_maker import write_model

Digest = Callable[[Path], str]


def run_of(project: Project) -> str:
    (ref,) = project.refs("refs/gitagent/runs/")
    return ref.removeprefix("refs/gitagent/runs/")


def test_a_run_of_repair_patterns_comes_out_the_same(calc: Project, untouched: Digest) -> None:
    assert calc.gitagent("fix", "--test", RED).code == 0
    before = untouched(calc.root)
    run = run_of(calc)
    again = calc.gitagent("replay", run)
    assert again.code == 0, again.err
    assert "✔ templates at calc.py" in again.out and again.out.endswith("the same diffs\n")
    assert f"gitagent replay {run}" in calc.pull() and untouched(calc.root) == before
    # Another build is named, and so is a record that says something else.
    calls = calc.git("show", f"refs/gitagent/runs/{run}:calls.jsonl")
    told = [json.loads(line) for line in calls.split("\n") if line]
    assert any(call.get("diffs") for call in told)
    _rewrite(calc, run, calls.replace('"build": "gitagent', '"build": "gitagent 0.0.0,'))
    other = calc.gitagent("replay", run)
    assert other.code == 1 and "another build: gitagent 0.0.0" in other.out and "not the same" in other.out
    _rewrite(calc, run, calls.replace(told[1]["diffs"][0], "0" * 64))
    changed = json.loads(calc.gitagent("replay", run, "--json").out)
    assert changed["same"] is False and "gave other diffs: 1 of" in changed["calls"][0]["differs"]
    _rewrite(calc, run, calls.replace(told[1]["blob"], "1" * 40))
    assert "the file as it was is gone: calc.py" in calc.gitagent("replay", run).out
    _rewrite(calc, run, '{"worker": "local"}\n')
    assert calc.gitagent("replay", run).told[0].startswith(f"run {run}: calls.jsonl is no record of calls")
    _rewrite(calc, run, "")
    assert calc.gitagent("replay", run).told[0] == f"run {run} cannot be replayed: no worker was asked."


def test_a_run_of_a_local_model_comes_out_the_same_and_another_model_is_named(
    calc: Project, tmp_path: Path
) -> None:
    pytest.importorskip("llama_cpp", reason="needs the extra `local`")
    pytest.importorskip("llguidance", reason="needs the extra `local`")
    model = write_model(tmp_path / "noise.gguf", seed=7)
    settings = {"GITAGENT_TEMPLATES_ENABLED": "false", "GITAGENT_RUN_ATTEMPTS": "1",
                "GITAGENT_LOCAL_CANDIDATES": "3", "GITAGENT_LOCAL_THREADS": "1"}  # fmt: skip
    done = calc.gitagent("fix", "--test", RED, "--json", env={**settings, "GITAGENT_LOCAL_MODEL": str(model)})
    assert done.code in (0, 1), done.err
    run = run_of(calc)
    # The settings that decide come from the record; threads and whether the cache is warm decide nothing.
    elsewhere = {"GITAGENT_LOCAL_THREADS": "2", "XDG_CACHE_HOME": str(tmp_path / "cold")}
    again = calc.gitagent("replay", run, "--json", env={"GITAGENT_LOCAL_MODEL": str(model), **elsewhere})
    told = json.loads(again.out)
    assert again.code == 0 and told["same"] and sum(call["diffs"] for call in told["calls"]) >= 2, told
    write_model(model, seed=8)
    other = calc.gitagent("replay", run, env={"GITAGENT_LOCAL_MODEL": str(model)})
    assert other.code == 1 and "local at calc.py" in other.out and "another model file" in other.out


def _rewrite(project: Project, run: str, calls: str) -> None:
    """Change the record of a run's calls as somebody might with git."""
    (project.temporary.parent / "calls").write_text(calls)
    blob = project.git("hash-object", "-w", str(project.temporary.parent / "calls"))
    ref = f"refs/gitagent/runs/{run}"
    lines = [line for line in project.git("ls-tree", ref).split("\n") if not line.endswith("\tcalls.jsonl")]
    (project.temporary.parent / "tree").write_text("\n".join([*lines, f"100644 blob {blob}\tcalls.jsonl"]) + "\n")
    with open(project.temporary.parent / "tree", encoding="utf-8") as tree:
        made = subprocess.run(
            ["git", "-C", str(project.root), "mktree"], stdin=tree, capture_output=True, check=True
        )
    project.git(
        "update-ref", ref, project.git("commit-tree", made.stdout.decode().strip(), "-p", ref, "-m", "edited")
    )
