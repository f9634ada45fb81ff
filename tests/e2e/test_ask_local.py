"""`gitagent ask` on a local model with random weights, held to its schema: tool calls, results, and an end."""

from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="needs the extra `local`")
pytest.importorskip("llguidance", reason="needs the extra `local`")

from tests.e2e.conftest import Making
from tests.e2e.running import CALC
from tests.gguf_maker import write_model

pytestmark = pytest.mark.local_model
PASSED_OVER = "an error was passed over"


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_looks_around_with_typed_calls_and_comes_to_an_answer(
    making: Making, tmp_path: Path, seed: int
) -> None:
    project = making(CALC)
    before = project.git("status", "--porcelain"), project.refs("refs/heads")
    env = {
        "GITAGENT_LOCAL_MODEL": str(write_model(tmp_path / "noise.gguf", seed=seed)),
        "GITAGENT_LOCAL_THREADS": "1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    done = project.gitagent("ask", "--json", "--steps", "6", "what does add do?", env=env)
    assert done.code == 0, done.err
    proposed = [event for event in done.events if event["event"] == "tool_proposed"]
    finished = [event for event in done.events if event["event"] == "tool_finished"]
    assert 1 <= len(proposed) == len(finished) <= 6
    assert {event["tool"] for event in proposed} <= {"read_file", "grep", "git", "bash", "think"}
    assert all(event["approved"] is (event["tool"] != "bash") for event in proposed)
    assert all(isinstance(event["exit_code"], int) for event in finished)
    assert "reply_refused" not in {event["event"] for event in done.events if event.get("reason") != PASSED_OVER}
    assert done.event("answered")["steps"] == len(finished)
    built = [event for event in done.events if event["event"] == "prompt_built"]
    assert all(event["prompt_tokens"] + event["answer_tokens"] <= 4096 for event in built)  # type: ignore[operator]
    assert not any("whole" in str(event["left_out"]) for event in built)
    assert (project.git("status", "--porcelain"), project.refs("refs/heads")) == before
