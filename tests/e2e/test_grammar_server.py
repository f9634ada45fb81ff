"""A server that really enforces GBNF, over a model whose weights are noise: every answer still applies."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="needs the extra `local`")

from tests.e2e.running import RED, Project
from tests.gbnf_server import GbnfDecoder
from tests.gguf_maker import write_model
from tests.scripted_server import ScriptedServer
from tests.server_kinds import llama_server

pytestmark = pytest.mark.local_model


def test_random_weights_behind_a_grammar_give_diffs_that_apply(
    calc: Project, tmp_path: Path, untouched: Callable[[Path], str]
) -> None:
    decoder = GbnfDecoder(write_model(tmp_path / "noise.gguf", seed=3))
    before = untouched(calc.root)
    with ScriptedServer(["not asked"], playing=llama_server(decoder, window=4096)) as server:
        done = calc.gitagent("fix", "--test", RED, "--api", "--candidates", "3", "--json", env={
            "GITAGENT_API_BASE_URL": server.url, "GITAGENT_API_MODEL": "scripted",
            "GITAGENT_TEMPLATES_ENABLED": "false", "GITAGENT_RUN_ATTEMPTS": "1",
            "XDG_CACHE_HOME": str(tmp_path / "cache")})  # fmt: skip
    decoder.close()
    assert untouched(calc.root) == before
    assert done.code in (0, 1, 4), done.err  # noise makes no plan either
    proposed = [event for event in done.events if event["event"] == "candidate_proposed"]
    refused = [event for event in done.events if event["event"] == "reply_refused" and event["worker"] == "api"]
    assert decoder.grammars and len(proposed) >= 2 and not refused, (len(decoder.grammars), refused)
    for event in proposed:
        (tmp_path / "one.diff").write_text(str(event["diff"]), encoding="utf-8", newline="")
        assert calc.git("apply", "--check", str(tmp_path / "one.diff")) == ""
