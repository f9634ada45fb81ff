import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from gitagent.adapters.openai_server import OpenAIServer
from gitagent.errors import ModelError
from gitagent.records import Message
from tests.scripted_server import Answer, Asked, Script, ScriptedServer, tokens_of

KEY = "sk-proj-abcdefghijklmnopqrstuvwx"
ASK = (Message(role="system", content="You answer."), Message(role="user", content="What is a basket's total?"))


def model(server: ScriptedServer, **options: object) -> OpenAIServer:
    waits: list[float] = []
    options.setdefault("sleep", waits.append)
    return OpenAIServer(server.url, "scripted", api_key=KEY, **options)  # type: ignore[arg-type]


def refused(script: Script, **options: object) -> ModelError:
    """The error a script ends in; it never names the key, and is one line."""
    with ScriptedServer(script) as server, pytest.raises(ModelError) as caught:
        model(server, **options).reply(ASK, answer_tokens=50)
    for text in (str(caught.value), caught.value.hint):
        assert KEY not in text
        assert "\n" not in text
        assert text
    return caught.value


def test_an_answer_comes_with_what_it_cost() -> None:
    with ScriptedServer(["The sum of its prices.\n"]) as server:
        reply = model(server, prompt_price=2.0, answer_price=10.0).reply(ASK, answer_tokens=50, seed=7)
        asked = server.chats[0]
    assert reply.text == "The sum of its prices.\n"
    assert reply.finish == "stop"
    spent = reply.spending
    assert (spent.calls, spent.prompt_tokens) == (1, tokens_of(asked.prompt) + 8)
    assert spent.answer_tokens == tokens_of(reply.text)
    assert spent.dollars == pytest.approx((spent.prompt_tokens * 2 + spent.answer_tokens * 10) / 1e6)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["temperature"] == 0.0
    assert asked.body["seed"] == 7
    assert asked.body["max_tokens"] == 50
    assert asked.body["stream"] is True


def test_the_longest_name_in_the_price_table_that_begins_the_models_sets_its_price() -> None:
    prices = {"scrip": (1.0, 1.0), "scripted": (1_000_000.0, 0.0), "other": (9.0, 9.0)}
    with ScriptedServer(["yes"]) as server:
        spent = model(server, prices=prices).reply(ASK, answer_tokens=50).spending
    assert spent.dollars == pytest.approx(spent.prompt_tokens)


def test_a_server_that_counts_nothing_is_charged_by_our_own_count() -> None:
    with ScriptedServer([Answer(text="yes", usage=False)]) as server:
        asking = model(server)
        spent = asking.reply(ASK, answer_tokens=50).spending
        assert spent.prompt_tokens == asking.count(ASK)
    assert spent.answer_tokens >= 1


def test_the_digest_names_the_endpoint_and_the_model_and_no_password() -> None:
    first = OpenAIServer("https://user:secret@models.example:8000/v1/", "m")
    second = OpenAIServer("https://models.example:8000/v1", "m")
    assert first.digest == second.digest == hashlib.sha256(b"https://models.example:8000/v1\nm").hexdigest()
    assert OpenAIServer("https://models.example:8000/v1", "n").digest != first.digest


@pytest.mark.parametrize(
    "address", ["", "localhost:8080", "ftp://x/v1", "http://", "http://x:port/v1", "http://[::1"]
)
def test_a_base_url_that_is_no_address_is_refused_before_anything_is_sent(address: str) -> None:
    with pytest.raises(ModelError, match="no http"):
        OpenAIServer(address, "m")


@pytest.mark.parametrize("field", ["stream_options", "seed", "temperature", "max_tokens", "response_format"])
def test_a_field_the_server_refuses_is_left_out_for_the_rest_of_the_run(field: str) -> None:
    with ScriptedServer([Answer(text="yes", refuses=[field])]) as server:
        asking = model(server)
        schema = {"type": "object", "properties": {}}
        for _ in range(2):
            assert asking.reply(ASK, answer_tokens=50, schema=schema).text == "yes"
        bodies = [asked.body for asked in server.chats]
    assert [field in body for body in bodies] == [True, False, False]
    assert ("max_completion_tokens" in bodies[1]) == (field == "max_tokens")


class WithoutSchemas:
    """A server that takes no schema, and says so in these words."""

    models, tokenize, pages = ({"id": "scripted"},), None, dict[str, object]()

    def __init__(self, status: int, error: str) -> None:
        self.answer = Answer(status=status, error=error)

    def minded(self, asked: Asked) -> Answer | None:
        return self.answer if "response_format" in asked.body else None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "This model does not support structured outputs."),
        (400, "Bad request"),
        (404, "No endpoints found that support the requested parameters."),
        (422, "unprocessable"),
        (500, "guided decoding backend not available"),
        (501, "not implemented"),
    ],
)
def test_a_server_that_takes_no_schema_is_asked_without_one_whatever_it_says(status: int, error: str) -> None:
    with ScriptedServer(["yes"], playing=WithoutSchemas(status, error)) as server:
        asking = model(server)
        for _ in range(2):
            assert asking.reply(ASK, answer_tokens=50, schema={"type": "object"}).text == "yes"
        assert ["response_format" in asked.body for asked in server.chats] == [True, False, False]


def test_what_is_wrong_for_another_reason_stays_so_without_the_schema() -> None:
    with ScriptedServer([Answer(status=400, error="too long")]) as server:
        with pytest.raises(ModelError, match="400: too long"):
            model(server).reply(ASK, answer_tokens=50, schema={"type": "object"})
        assert len(server.chats) == 2


def test_halves_of_characters_are_put_together_or_marked_as_lost() -> None:
    pieces = ["\\ud83d", "\\ude00 and \\ud83d"]
    stream = "".join(
        f'data: {{"choices": [{{"index": 0, "delta": {{"content": "{piece}"}}}}]}}\n\n' for piece in pieces
    )
    stream += 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    with ScriptedServer([Answer(raw=stream, headers={"Content-Type": "text/event-stream"})]) as server:
        reply = model(server).reply((Message(role="user", content="caf\udce9"),), answer_tokens=50)
        assert server.chats[0].prompt == "caf\ufffd"
    assert reply.text.encode().decode().startswith("\U0001f600 and")


def test_a_schema_is_asked_for_strictly() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    with ScriptedServer(['{"a": "b"}']) as server:
        model(server).reply(ASK, answer_tokens=50, schema=schema)
        form = server.chats[0].body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"] == schema


def test_a_server_that_does_not_stream_is_asked_for_whole_answers_from_then_on() -> None:
    with ScriptedServer([Answer(text="whole", stream=False)]) as server:
        asking = model(server)
        assert asking.reply(ASK, answer_tokens=50).text == "whole"
        assert asking.reply(ASK, answer_tokens=50).text == "whole"
        assert [bool(asked.body.get("stream")) for asked in server.chats] == [True, False, False]


def test_an_answer_that_ran_into_its_limit_says_so() -> None:
    with ScriptedServer([Answer(text="half an", finish="length")]) as server:
        assert model(server).reply(ASK, answer_tokens=50).finish == "length"


def test_an_answer_without_end_is_cut_and_called_too_long() -> None:
    with ScriptedServer(["word " * 4000]) as server:
        reply = model(server).reply(ASK, answer_tokens=10)
    assert reply.finish == "length"
    assert len(reply.text) < 6000


@pytest.mark.parametrize(
    ("answer", "says", "hints"),
    [
        (Answer(status=401, error=f"Incorrect API key provided: {KEY}"), "refuses the key", "export MY_KEY="),
        (Answer(status=403, error="no access"), "refuses the key", "export MY_KEY="),
        (Answer(status=404, error="The model `x` does not exist"), 'no model "scripted"', "/models"),
        (Answer(status=400, error="maximum context length is 2048"), "maximum context length is 2048", "window"),
        (Answer(status=422, error={"detail": [{"msg": "bad"}]}), "does not accept the request", "model"),
        (Answer(status=400, error="bad " * 500), "…", "model"),
        (Answer(status=429, error="slow down"), "over its limit", "later"),
        (Answer(status=429, error={"message": "pay", "code": "insufficient_quota"}), "no credit", "billing"),
        (Answer(status=500, error="oops"), "failed (500: oops)", "later"),
        (Answer(status=503, error={"message": ""}), "503", "later"),
        (Answer(text=""), "answered nothing", "again"),
        (Answer(text="", finish="length"), "used up its 50", "window"),
        (Answer(text="", finish="content_filter"), "content filter", "another model"),
        (Answer(text="", refusal="I will not."), "refused: I will not", "another model"),
        (Answer(raw="<html>hello</html>", headers={"Content-Type": "text/html"}), "no chat completion", "/v1"),
        (Answer(raw='{"choices": 3}'), "answered nothing", "again"),
        (Answer(raw="[1, 2]"), "no chat completion", "/v1"),
        (Answer(text="half a diff", drop_after=4), "broke off", "log"),
        (Answer(text="yes", status=308, error="moved"), "", "model"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line_with_what_mends_it(answer: Answer, says: str, hints: str) -> None:
    error = refused([answer], key_name="MY_KEY")
    assert says in str(error)
    assert hints in error.hint
    assert len(str(error)) < 520


def test_a_server_without_a_key_set_says_that_one_is_wanted() -> None:
    with ScriptedServer([Answer(status=401, error="who are you?")]) as server:
        asking = OpenAIServer(server.url, "scripted")
        with pytest.raises(ModelError, match="wants a key"):
            asking.reply(ASK, answer_tokens=50)


def test_a_server_that_hangs_is_given_up_after_the_timeout() -> None:
    assert "no whole answer in 0.3 s" in str(refused([Answer(hang=True)], timeout_seconds=0.3))


def test_nobody_at_the_address_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waits: list[float] = []
    asking = OpenAIServer(f"http://127.0.0.1:{port}/v1", "m", sleep=waits.append)
    with pytest.raises(ModelError, match=f"nothing answers at http://127.0.0.1:{port}/v1") as caught:
        asking.reply(ASK, answer_tokens=50)
    assert "start the model server" in caught.value.hint
    assert waits == []


def after(times: int, first: Answer) -> Callable[[Asked], Answer]:
    """A script that gives one answer so many times, then a good one."""
    left = [first] * times

    def script(asked: Asked) -> Answer:
        return left.pop() if left else Answer(text="yes")

    return script


@pytest.mark.parametrize(
    ("first", "waited"),
    [
        (Answer(status=429, headers={"Retry-After": "7"}, error="wait"), [7.0, 7.0]),
        (Answer(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, error="wait"), [0.0, 0.0]),
        (Answer(status=429, headers={"Retry-After": "soon"}, error="wait"), [0.5, 1.0]),
        (Answer(status=500, error="oops"), [0.5, 1.0]),
        (Answer(text="a broken answer of some length", drop_after=10), [0.5, 1.0]),
    ],
)
def test_a_passing_trouble_is_waited_out(first: Answer, waited: list[float]) -> None:
    waits: list[float] = []
    with ScriptedServer(after(2, first)) as server:
        reply = model(server, sleep=waits.append).reply(ASK, answer_tokens=50)
    assert reply.text == "yes"
    assert reply.spending.calls == 3
    assert waits == waited


def test_a_server_that_asks_for_an_hour_is_not_waited_for() -> None:
    waits: list[float] = []
    error = refused([Answer(status=429, headers={"Retry-After": "3600"}, error="wait")], sleep=waits.append)
    assert "asks to wait 3600 s" in str(error)
    assert waits == []


def test_a_stream_without_its_last_piece_is_believed_only_if_it_comes_twice_the_same() -> None:
    with ScriptedServer([Answer(text="all of it", finish=None)]) as server:
        assert model(server).reply(ASK, answer_tokens=50).text == "all of it"
        assert len(server.chats) == 2
    growing = iter(["a", "ab", "abc", "abcd", "abcde"])
    error = refused(lambda asked: Answer(text=next(growing), finish=None))
    assert "broke off" in str(error)


def test_an_error_told_inside_the_stream_is_an_error() -> None:
    raw = 'data: {"error": {"message": "out of memory"}}\n\n'
    error = refused([Answer(raw=raw, headers={"Content-Type": "text/event-stream"})])
    assert "out of memory" in str(error)


def test_an_estimate_is_corrected_by_what_the_server_counted() -> None:
    with ScriptedServer([Answer(text="yes", prompt_tokens=300)]) as server:
        asking = model(server)
        before = asking.count(ASK)
        asking.reply(ASK, answer_tokens=50)
        assert before < 300 <= asking.count(ASK) <= 301
        other = (Message(role="user", content="Something else"),)
        fresh = model(server).count(other)
        assert asking.count(other) >= fresh * 300 // before


@pytest.mark.parametrize("tokenize", [None, "vllm", "llama"])
def test_an_answer_to_half_a_prompt_is_thrown_away(tokenize: str | None) -> None:
    long = (Message(role="user", content="for item in basket.items: total += item.price\n" * 80),)
    with (
        ScriptedServer([Answer(text="yes", prompt_tokens=200)], tokenize=tokenize) as server,
        pytest.raises(ModelError, match="read only 200 tokens") as caught,
    ):
        model(server).reply(long, answer_tokens=50)
    assert "context length" in caught.value.hint


def test_a_dense_script_counted_low_is_no_half_prompt() -> None:
    # A modern vocabulary takes a sixth of the bytes of such text.
    long = (Message(role="user", content="请修复这个函数中的错误" * 60),)
    with ScriptedServer([Answer(text="yes", prompt_tokens=330)]) as server:
        assert model(server).reply(long, answer_tokens=50).text == "yes"


def test_tokens_are_counted_by_the_servers_own_tokenizer_where_it_has_one() -> None:
    counts = {}
    for tokenize in ("vllm", "llama"):
        with ScriptedServer(["yes"], tokenize=tokenize) as server:
            asking = model(server)
            counts[tokenize] = asking.count(ASK)
            asking.count(ASK)
            assert [asked.path for asked in server.asked].count("/tokenize") == 1
    own = sum(tokens_of(message.content) for message in ASK)
    assert counts["vllm"] == own + 8
    assert counts["llama"] == own + 1 + 32  # the newline between the messages


def test_a_tokenizer_that_answers_something_else_is_not_asked_again() -> None:
    with ScriptedServer(["yes"]) as server:
        asking = model(server)
        assert asking.count(ASK) > 0
        asking.count((Message(role="user", content="more"),))
        assert [asked.path for asked in server.asked].count("/tokenize") == 1


@pytest.mark.parametrize(
    ("entry", "window"),
    [
        ({"max_model_len": 2048}, 2048),
        ({"context_length": 1024}, 1024),
        ({"meta": {"n_ctx_train": 512}}, 512),
        ({"max_model_len": 131072}, 4096),
        ({"max_model_len": "many", "meta": 3}, 4096),
        ({}, 4096),
    ],
)
def test_the_window_is_lowered_to_what_the_server_says_it_has(entry: dict[str, object], window: int) -> None:
    with ScriptedServer(models=[{"id": "other", "max_model_len": 300}, {"id": "scripted", **entry}]) as server:
        asking = model(server)
        asking.count(ASK)
    assert asking.window == window


def test_a_prompt_over_the_window_is_refused_and_never_sent() -> None:
    with ScriptedServer(["yes"]) as server:
        with pytest.raises(ModelError, match="do not fit the window of 100"):
            model(server, window=100).reply(ASK, answer_tokens=90)
        assert server.chats == []


def test_preloading_overlaps_with_other_work_and_is_done_once() -> None:
    with ScriptedServer(["yes"]) as server:
        asking = model(server)
        threads = [asking.preload(), asking.preload()]
        assert asking.reply(ASK, answer_tokens=50).text == "yes"
        for thread in threads:
            thread.join()
        assert [asked.path for asked in server.asked].count("/v1/models") == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "gitagent-openai"]


def test_the_openai_package_is_imported_only_when_a_model_is_asked() -> None:
    code = (
        "import sys; from gitagent.adapters.openai_server import OpenAIServer; "
        "OpenAIServer('http://127.0.0.1:1/v1', 'm'); print('openai' in sys.modules, 'ssl' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
