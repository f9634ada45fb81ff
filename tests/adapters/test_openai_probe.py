"""What a server can do, asked of each of the five kinds over a real socket."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gitagent.adapters.openai_probe import KEPT_SECONDS, Capabilities, Memory, introduced
from gitagent.adapters.openai_server import OpenAIServer
from gitagent.errors import ModelError
from gitagent.records import Message
from tests.scripted_server import Answer, Asked, ScriptedServer
from tests.server_kinds import HOSTED, LM_STUDIO, OLLAMA, OLLAMA_LOADED, VLLM, Kind, llama_server

ASK = (Message(role="user", content="What is a basket's total?"),)
GRAMMAR = 'root ::= "a" | "b"\n'
LLAMA = llama_server()


def model(server: ScriptedServer) -> OpenAIServer:
    return OpenAIServer(server.url, "scripted", window=4096, sleep=lambda seconds: None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (LLAMA, Capabilities(server="llama-server", version="b8681-0badc0de", window=2048, grammar="grammar",
                             schema=True, usage=True, tokenizer=True)),
        (VLLM, Capabilities(server="vLLM", version="0.12.0", window=3072, grammar="structured_outputs",
                            schema=True, usage=True, tokenizer=True)),
        (OLLAMA, Capabilities(server="Ollama", version="0.13.1", window=2560, grammar="",
                              schema=True, usage=True, tokenizer=False)),
        (OLLAMA_LOADED, Capabilities(server="Ollama", version="0.13.1", window=3584, grammar="",
                                     schema=True, usage=True, tokenizer=False)),
        (LM_STUDIO, Capabilities(server="LM Studio", window=3328, grammar="", schema=True, usage=True,
                                 tokenizer=False)),
        (HOSTED, Capabilities(grammar="", schema=True, usage=True, tokenizer=False)),
        (replace(HOSTED, schema=False, owner="someone", grammar="grammar", strict=False),
         Capabilities(grammar="grammar", schema=False, usage=True, tokenizer=False)),
    ],
)  # fmt: skip
def test_a_probe_says_of_each_server_what_it_can_do(kind: Kind, expected: Capabilities) -> None:
    with ScriptedServer(["yes"], playing=kind) as server:
        asking = model(server)
        found = asking.probed()
        assert replace(found, tokens=0, probed_at=0.0) == expected
        assert 0 < found.tokens < 150 and len(server.chats) <= 5
        assert asking.window == min(4096, expected.window or 4096)
        assert model(server).known() == found


def test_a_run_asks_a_server_that_documents_grammars_once_and_remembers_the_answer() -> None:
    with ScriptedServer(["a"], playing=LLAMA) as server:
        for _ in range(2):
            asking = model(server)
            assert asking.reply(ASK, answer_tokens=9, grammar=GRAMMAR).text == "a"
        fields = [asked.body.get("grammar") for asked in server.chats]
    assert fields == ['root ::= "[gitagent]"\n', GRAMMAR, GRAMMAR]


def test_the_tokens_of_a_probe_are_booked_with_the_first_answer() -> None:
    with ScriptedServer(["a"], playing=LLAMA) as server:
        asking = model(server)
        first, second = (asking.reply(ASK, answer_tokens=9, grammar=GRAMMAR).spending for _ in range(2))
    assert first.prompt_tokens > second.prompt_tokens and first.answer_tokens > second.answer_tokens


def test_vllm_gets_a_grammar_where_it_takes_one() -> None:
    with ScriptedServer(["a"], playing=VLLM) as server:
        model(server).reply(ASK, answer_tokens=9, grammar=GRAMMAR)
        assert server.chats[-1].body["structured_outputs"] == {"grammar": GRAMMAR}
        assert "grammar" not in server.chats[-1].body


@pytest.mark.parametrize("kind", [OLLAMA, LM_STUDIO, HOSTED])
def test_a_run_sends_nothing_unusual_to_servers_that_document_no_grammar(kind: Kind) -> None:
    with ScriptedServer(["a"], playing=kind) as server:
        asking = model(server)
        assert not asking.takes_grammar()
        asking.reply(ASK, answer_tokens=9, grammar=GRAMMAR)
        (asked,) = server.chats
        own = {page.path for page in server.asked} - {"/v1/models", "/v1/chat/completions", "/tokenize"}
    assert not {"grammar", "structured_outputs"} & set(asked.body)
    assert own == set(kind.pages)


def test_a_server_that_lost_its_grammar_is_not_sent_one_again() -> None:
    said: list[Mapping[str, object]] = []

    def script(asked: Asked) -> Answer:
        said.append(asked.body)
        return (
            Answer(status=400, error="failed to parse grammar") if "grammar" in asked.body else Answer(text="free")
        )

    with ScriptedServer(["a"], playing=LLAMA) as server:
        model(server).probed()
        server.playing = replace(LLAMA, grammar="")
        server._script = script
        asking = model(server)
        assert asking.reply(ASK, answer_tokens=9, grammar=GRAMMAR).text == "free"
        assert not asking.takes_grammar()
    assert ["grammar" in body for body in said] == [True, False]


def test_a_server_of_another_version_is_asked_anew() -> None:
    with ScriptedServer(["a"], playing=replace(LLAMA, grammar="")) as server:
        assert not model(server).takes_grammar()
        assert not model(server).takes_grammar()
        assert len(server.chats) == 1
        server.playing = replace(LLAMA, pages={"/props": {"build_info": "b9000"}})
        assert model(server).takes_grammar()


def test_an_endpoint_that_is_down_is_no_finding() -> None:
    with ScriptedServer([Answer(status=503, error="loading")], playing=LLAMA) as server:
        with pytest.raises(ModelError, match="failed"):
            model(server).probed()
        assert model(server).known() is None


def test_what_was_found_out_is_forgotten_after_a_week_and_a_broken_file_is_nothing(tmp_path: Path) -> None:
    now = [1_000_000.0]
    memory = Memory(str(tmp_path), "http://x/v1", "m", lambda: now[0])
    assert memory.recall() is None
    kept = memory.keep(Capabilities(server="vLLM", grammar="structured_outputs"))
    assert memory.recall() == kept
    assert Memory(str(tmp_path), "http://x/v1", "n", lambda: now[0]).recall() is None
    now[0] += KEPT_SECONDS
    assert memory.recall() is None
    now[0] -= 1
    (file,) = (tmp_path / "endpoints").iterdir()
    for broken in ("", "[]", "{}", json.dumps({"server": "x"})):
        file.write_text(broken)
        assert memory.recall() is None


def test_a_memory_that_cannot_be_written_costs_no_error(tmp_path: Path) -> None:
    (tmp_path / "endpoints").write_text("in the way")
    memory = Memory(str(tmp_path), "http://x/v1", "m")
    assert memory.keep(Capabilities(usage=True)).usage
    assert memory.recall() is None


@pytest.mark.parametrize("junk", [None, [], {"data": {}}, {"models": [1], "model_info": [], "version": 3}, "x"])
def test_pages_that_are_something_else_say_nothing(junk: object) -> None:
    for owner in ("llamacpp", "vllm", "library", "organization_owner", 3, None):
        found = introduced({"owned_by": owner}, "m", lambda path, body: junk)
        assert (found.version, found.window) == ("", 0)
