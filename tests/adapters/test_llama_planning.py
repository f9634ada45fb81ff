"""The planner on a local model with random weights: a plan, or a clear error; never anything else."""

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("llama_cpp", reason="needs the extra `local`")
pytest.importorskip("llguidance", reason="needs the extra `local`")

from gitagent.adapters.llama import LlamaModel
from gitagent.adapters.llama.resident import release
from gitagent.core import plan_schema, questioning
from gitagent.errors import ModelError
from gitagent.events import Event, ReplyRefused
from gitagent.planners import ChatPlanner
from gitagent.records import Findings, Message, Request
from tests.gguf_maker import write_model

pytestmark = pytest.mark.local_model
FILES = {"shop/basket.py": "def total():\n    return 0\n", "shop/rates.py": "RATE = 1\n"}
REQUEST = Request(text="The total is wrong.", source="text", reference="", asked_by="", base="0" * 40, key="k")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaModel]:
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield LlamaModel(str(write_model(folder / "noise.gguf", seed=3)), window=4096)
    release()


@pytest.mark.parametrize("seed", range(3))
def test_what_it_says_is_a_plan_of_files_that_are_there(model: LlamaModel, seed: int) -> None:
    asked = (Message(role="user", content="Plan."),)
    reply = model.reply(
        asked, answer_tokens=3000, temperature=0.7, seed=seed, schema=plan_schema.tight(list(FILES))
    )
    if reply.finish == "length":
        return
    answer = json.loads(reply.text)
    assert {task["path"] for task in answer["tasks"] if task["action"] != "add"} <= FILES.keys()
    assert 1 <= len(answer["tasks"]) <= 3 and all(task["instruction"] for task in answer["tasks"])
    for number, task in enumerate(answer["tasks"], 1):
        assert task["id"] == f"t{number}" and set(task["depends_on"]) <= {f"t{at}" for at in range(1, number)}
        assert (task["to"] is not None) == (task["action"] == "rename")


def test_a_run_gets_a_plan_or_one_clear_line(model: LlamaModel) -> None:
    events: list[Event] = []
    planner = ChatPlanner(model, events.append, tight=True)
    paths, said = set[str](), ""
    try:
        plan, _ = planner.plan(REQUEST, Findings(files=tuple(FILES)), FILES.get)
        paths = {task.path for task in plan.tasks if task.action != "add"}
    except ModelError as error:
        said = str(error)
    refused = [event for event in events if isinstance(event, ReplyRefused)]
    if said:
        assert len(refused) == 3 and "no usable plan in 3 answers" in said and "\n" not in said
    else:
        assert paths <= FILES.keys()


def test_the_schema_of_questions_is_one_it_can_be_held_to(model: LlamaModel) -> None:
    reply = model.reply(
        (Message(role="user", content="Ask."),), answer_tokens=60, schema=questioning.schema(tight=True)
    )
    assert reply.text.startswith('{"questions":[')
