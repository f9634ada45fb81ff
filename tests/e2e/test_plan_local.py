"""A local model with random weights asks back, plans and writes: each in the form it is held to, and to an end."""

import tomllib
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="needs the extra `local`")
pytest.importorskip("llguidance", reason="needs the extra `local`")

from tests.e2e.conftest import Making
from tests.e2e.running import CALC
from tests.gguf_maker import write_model

pytestmark = pytest.mark.local_model


FILES = CALC | {f"{name}.py": f"def {name}():\n    return 1\n" for name in ("one", "two", "three", "four", "five")}


@pytest.mark.parametrize("seed", [5, 6])
def test_its_questions_become_assumptions_and_its_plan_is_checked_like_any_other(
    making: Making, tmp_path: Path, seed: int
) -> None:
    project = making(FILES)
    env = {
        "GITAGENT_LOCAL_MODEL": str(write_model(tmp_path / "noise.gguf", seed=seed)),
        "GITAGENT_LOCAL_THREADS": "1", "GITAGENT_LOCAL_CANDIDATES": "1", "GITAGENT_RUN_PLANNER": "model",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip
    file = tmp_path / "plan.toml"
    done = project.gitagent("plan", "add in calc.py is wrong", "--yes", "--out", str(file), env=env)
    if done.code != 0:
        assert done.code == 4 and "no usable plan in 3 answers; of the last one: task" in done.told[0]
        return
    plain = tomllib.loads(file.read_text("utf-8"))
    assert plain["planner"] == "chat" and 1 <= len(plain["task"]) <= 3
    for task in plain["task"]:
        assert (task["path"] in FILES) is (task["action"] != "add") and task["instruction"]
    run = project.gitagent("run", str(file), "--json", env=env)
    assert run.code in (0, 1, 2), run.err
    if run.code < 2:
        assert run.event("run_finished")["state"] in ("proven", "unproven", "nothing")
    else:  # it is about what nobody may change
        assert "Nothing was committed" in run.told[0]
