"""Local first: noise from a real local model is found out by its replies and the tests, and the api stands by."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="needs the extra `local`")
pytest.importorskip("llguidance", reason="needs the extra `local`")

from tests.e2e.running import Project
from tests.gguf_maker import write_model
from tests.scripted_server import Answer, Asked, ScriptedServer, outward_address

pytestmark = pytest.mark.local_model

SHOP = {
    "shop/__init__.py": "",
    "shop/cart.py": "def total(prices):\n    return sum(prices)\n",
    "shop/till.py": "from shop.cart import total\n\n\ndef pay(prices):\n    return total(prices)\n",
    "tests/__init__.py": "",
    "tests/test_cart.py": "from pathlib import Path\n\nfrom shop.cart import total\n\n\n"
    "def test_total():\n    assert total([]) == 0\n\n\n"
    "def test_large_orders_are_cheaper_and_told():\n    assert total([60, 60]) == 108\n"
    '    assert Path("NEWS.txt").read_text(encoding="utf-8").strip()\n',
}
PLAN = {
    "summary": "ten per cent off from 100, and a word about it",
    "tasks": [
        {"id": "news", "path": "NEWS.txt", "symbol": None, "lines": None, "new": True, "depends_on": [],
         "instruction": "Say that large orders are cheaper.", "priority": 1},
        {"id": "cart", "path": "shop/cart.py", "symbol": "total", "lines": None, "new": False, "depends_on": [],
         "instruction": "Take ten per cent off from 100 on.", "priority": 2},
    ],
}  # fmt: skip
RIGHT = "def total(prices):\n    whole = sum(prices)\n    return whole * 9 // 10 if whole >= 100 else whole\n"


def answer(asked: Asked) -> Answer:
    if "You plan a change" in asked.prompt:
        return Answer(text=json.dumps(PLAN))
    # Whatever the noise has made of the file by now, all of it is replaced.
    shown = re.search(r"from `@@ -1,(\d+) @@`:\n(`{3,})[^\n]*\n(.*?)^\2", asked.prompt, re.DOTALL | re.MULTILINE)
    assert shown is not None, asked.prompt
    lines = shown[3].split("\n")[:-1]
    old, new = "".join(f"-{line}\n" for line in lines), "".join(f"+{line}\n" for line in RIGHT.split("\n")[:-1])
    head = "--- a/shop/cart.py\n+++ b/shop/cart.py\n"
    return Answer(text=f"{head}@@ -1,{len(lines)} +1,3 @@\n{old}{new}")


def test_tasks_go_local_one_fails_twice_and_escalates_and_the_ledger_shows_it(
    making: Callable[..., Project], tmp_path: Path, untouched: Callable[[Path], str]
) -> None:
    shop = making(SHOP)
    before = untouched(shop.root)
    noise = write_model(tmp_path / "noise.gguf", seed=5)
    elsewhere = outward_address()
    with ScriptedServer(answer, host=elsewhere or "127.0.0.1") as server:
        settings = {
            "GITAGENT_API_BASE_URL": server.url, "GITAGENT_API_MODEL": "scripted", "GITAGENT_API_PROMPT_PRICE": "2",
            "GITAGENT_API_ANSWER_PRICE": "10", "GITAGENT_TEMPLATES_ENABLED": "false",
            "GITAGENT_LOCAL_MODEL": str(noise), "GITAGENT_LOCAL_CANDIDATES": "1", "GITAGENT_LOCAL_THREADS": "1",
        }  # fmt: skip
        done = shop.gitagent("fix", "Orders from 100 on are ten per cent cheaper, and NEWS.txt says so",
                             "--api", "--json", env=settings)  # fmt: skip
    assert untouched(shop.root) == before
    assert done.code == 0, done.err + done.out[-3000:]
    events = done.events
    asked = [
        event["spending"]["worker"] if event["event"] == "model_replied" else event["event"] for event in events
    ]  # type: ignore[index]
    assert asked.index("quoted") < asked.index("api")
    quoted = done.event("quoted")
    # Its limits and a window more for each of four questions at once: 1 dollar, and 16,384 tokens at 10 a million.
    assert (quoted["tokens"], quoted["dollars"], quoted["minutes"]) == (216_384, 1.1638, 30)
    ids = {task["path"]: task["id"] for task in done.event("planned")["plan"]["tasks"]}  # type: ignore[index, call-overload]
    news, cart = ids["NEWS.txt"], ids["shop/cart.py"]
    planned = events[events.index(done.event("planned")) :]
    routed = {event["task"]: event for event in reversed(planned) if event["event"] == "routed"}
    assert routed[news]["worker"] == "local" and 0 < routed[cart]["parts"]["files"] < 0.75  # type: ignore[index, operator]
    assert [routed[task]["facts"]["dependents"] for task in (news, cart)] == [0, 1]  # type: ignore[index]
    escalated = [event for event in planned if event["event"] == "escalated" and event["task"] == cart]
    assert [(event["worker"], event["to"]) for event in escalated][-1] == ("local", "api")
    before_it = planned[: planned.index(escalated[0])]
    of_cart = [event for event in before_it if event.get("task") == cart and event["event"] == "task_started"]
    assert {event["worker"] for event in of_cart} == {"local"} and len(of_cart) >= 2
    ledger = {entry["worker"]: entry for entry in done.event("run_finished")["ledger"]}  # type: ignore[attr-defined]
    assert ledger["local"]["prompt_tokens"] > 0 and ledger["local"]["dollars"] == 0
    assert ledger["api"]["dollars"] > 0
    commits = shop.git("rev-list", "--reverse", f"main..{shop.branches()[0]}").split()
    workers = [shop.trailers(commit)["Gitagent-Worker"] for commit in commits]
    assert workers[0] == "local" and workers[-1] == "api"
    assert shop.trailers(commits[0])["Gitagent-Window"].startswith("4096 tokens, ")
    assert (
        shop.trailers(commits[0])["Gitagent-Left-Out"]
        and "llama.cpp" in shop.trailers(commits[0])["Gitagent-Build"]
    )
    # Of priority 1 the news come first, whatever else could be next.
    started = [event["task"] for event in planned if event["event"] == "task_started"]
    assert started[0] == news and started.index(cart) > 0
    here, away = (entry["prompt_tokens"] + entry["answer_tokens"] for entry in (ledger["local"], ledger["api"]))
    share = min(max(round(100 * here / (here + away)), 1), 99) if elsewhere else 100
    assert f"{share} % of tokens stayed local." in shop.pull() and "| `local` |" in shop.pull()
    shown = shop.gitagent("ledger").out
    assert "1 run, 1 of them asked a model" in shown and f"\n{share} % of tokens stayed local\n" in shown
    assert re.search(r"^local +\d", shown, re.MULTILINE) and re.search(r"^total +\d", shown, re.MULTILINE)
    told = json.loads(shop.gitagent("ledger", "--json").out)
    assert {entry["worker"]: entry["prompt_tokens"] for entry in told["workers"]} == {
        worker: entry["prompt_tokens"] for worker, entry in ledger.items()
    }
    assert told["stayed_local"] == pytest.approx(here / (here + away) if elsewhere else 1.0, abs=1e-4)
