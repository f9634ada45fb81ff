"""An endpoint over its limit: another model stands in, or the run says why it cannot wait."""

from tests.e2e.running import RED, Project
from tests.scripted_server import Answer, Asked, ScriptedServer

DIFF = "@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return sum((a, b))\n"


def busy(asked: Asked) -> Answer:
    if asked.body["model"] == "second":
        return Answer(text=DIFF)
    return Answer(status=429, error="too many requests", headers={"Retry-After": "600"})


def settings(server: ScriptedServer, **more: str) -> dict[str, str]:
    return {
        "GITAGENT_API_BASE_URL": server.url,
        "GITAGENT_API_MODEL": "first",
        "GITAGENT_TEMPLATES_ENABLED": "false",
        **{f"GITAGENT_API_{name}": value for name, value in more.items()},
    }


def test_a_fallback_model_stands_in_for_one_over_its_limit(calc: Project) -> None:
    with ScriptedServer(busy) as server:
        done = calc.gitagent(
            "fix", "--test", RED, "--api", "--json", env=settings(server, FALLBACK_MODEL="second")
        )
        models = [asked.body["model"] for asked in server.chats]
    assert done.code == 0, done.err
    told = done.event("stood_in")
    assert (told["model"], told["to"]) == ("first", "second") and "asks to wait 600 s" in str(told["reason"])
    assert models[:2] == ["first", "second"] and models.count("first") == 1


def test_a_wait_beyond_the_runs_limit_is_refused_and_costs_no_time(calc: Project) -> None:
    with ScriptedServer(busy) as server:
        done = calc.gitagent(
            "fix", "--test", RED, "--api", "--minutes", "5", env=settings(server, WHEN_DOWN="wait")
        )
    assert done.code == 4
    error, hint = done.told
    assert "asks to wait 600 s" in error and "a wait of 600 s is longer than the" in error
    assert "api.fallback_model" in hint and "this run takes at most 216,384 tokens, $0.00" in done.err
    assert calc.branches() == []
