"""A model endpoint that refuses, fails or answers nonsense ends a run in one line, and nothing was touched."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.e2e.running import CALC, RED, Done, Project
from tests.e2e.test_api import FOREIGN, PLAN, endpoint
from tests.scripted_server import Answer, ScriptedServer

Digest = Callable[[Path], str]


@pytest.fixture
def asking(calc: Project, untouched: Digest) -> Callable[..., Done]:
    """Runs `gitagent fix --test … --api` against an endpoint; it must end without a trace in the repository."""

    def run(env: Mapping[str, str], *arguments: str) -> Done:
        before = untouched(calc.root)
        done = calc.gitagent("fix", *(arguments or ("--test", RED)), "--api", env=env)
        assert untouched(calc.root) == before
        assert calc.branches() == calc.refs("refs/gitagent/pulls/") == []
        return done

    return run


@pytest.mark.parametrize(
    ("answer", "error", "hint"),
    [
        (Answer(status=401, error="bad key"), "HOST wants a key (401: bad key). Nothing was changed.",
         "export GITAGENT_API_KEY=…"),
        (Answer(status=404, error="no model"),
         'HOST has no model "scripted", or the base URL has the wrong path (404: no model).',
         "curl http://HOST/v1/models lists its models; the base URL mostly ends in /v1"),
        (Answer(status=422, error="odd"), "HOST does not accept the request (422: odd).",
         "set another model, or a smaller window"),
        (Answer(status=429, error="slow down", headers={"Retry-After": "3600"}),
         "HOST is over its limit, and asks to wait 3600 s (429: slow down).",
         "run again later, or set another model"),
        (Answer(hang=True), "scripted at HOST gave no whole answer in 1 s.",
         "set a longer timeout, or a smaller model"),
        (Answer(text=""), "scripted at HOST answered nothing.", "ask again, or set another model"),
        (Answer(raw="<html>"),
         "HOST answers something that is no chat completion: Expecting value: line 1 column 1 (char 0).",
         "is http://HOST/v1 the right base URL? It mostly ends in /v1"),
        (Answer(text="I cannot know."),
         "scripted gave no usable plan in 3 answers; of the last one: the reply holds no JSON object. "
         "Nothing was changed.", "set another model, or plan without one: --local"),
    ],
)  # fmt: skip
def test_an_endpoint_that_is_no_help(asking: Callable[..., Done], answer: Answer, error: str, hint: str) -> None:
    with ScriptedServer([answer]) as server:
        done = asking(endpoint(server) | {"GITAGENT_API_TIMEOUT_SECONDS": "1"})
        host = server.url.removeprefix("http://").removesuffix("/v1")
    assert done.code == 4
    assert done.told == (error.replace("HOST", host), hint.replace("HOST", host))


def test_an_endpoint_where_nothing_listens(asking: Callable[..., Done]) -> None:
    done = asking(
        {
            "GITAGENT_API_BASE_URL": "http://127.0.0.1:9/v1",
            "GITAGENT_API_MODEL": "m",
            "GITAGENT_TEMPLATES_ENABLED": "false",
        }
    )
    assert done.code == 4
    assert done.told == (
        "nothing answers at http://127.0.0.1:9/v1: [Errno 111] Connection refused. Nothing was sent.",
        "start the model server, or set its base URL",
    )


def test_diffs_of_another_file_end_a_run_once_the_attempts_are_used_up(asking: Callable[..., Done]) -> None:
    steps = [dict(PLAN["tasks"][1], path="calc.py", symbol="add", depends_on=[])]  # type: ignore[call-overload]
    plan = Answer(text=json.dumps({"summary": "s", "tasks": steps}), match="You plan a change")
    with ScriptedServer([plan, FOREIGN]) as server:
        done = asking(endpoint(server), "ten per cent off")
    assert done.code == 1
    assert "nothing: task t1 in calc.py: tests/test_cart.py: only calc.py may be changed; 0 candidates" in done.err


def test_a_key_is_in_nothing_that_is_said_or_kept(calc: Project) -> None:
    with ScriptedServer([Answer(status=401, error="bad key sk-secret-1234567890")]) as server:
        env = endpoint(server) | {"GITAGENT_API_KEY": "sk-secret-1234567890"}
        done = calc.gitagent("fix", "--test", RED, "--api", "--json", env=env)
    assert done.code == 4 and server.asked[-1].headers["authorization"] == "Bearer sk-secret-1234567890"
    kept = "".join(calc.git("log", "-p", ref) for ref in calc.refs("refs/gitagent/"))
    assert kept and "sk-secret" not in done.out + done.err + kept


def test_an_endpoint_that_a_repository_names_is_sent_no_key(making: Callable[..., Project]) -> None:
    with ScriptedServer([FOREIGN]) as server:
        setting = f'[api]\nbase_url = "{server.url}"\nmodel = "scripted"\n[templates]\nenabled = false\n'
        calc = making(CALC | {".gitagent.toml": setting})
        calc.gitagent("fix", "--test", RED, "--api", env={"GITAGENT_API_KEY": "sk-secret-1234567890"})
    assert server.chats and not any("sk-secret" in str(asked.headers) for asked in server.asked)
