"""A change over several files, planned and written by a model behind a real socket."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e.running import Project
from tests.scripted_server import Answer, Asked, ScriptedServer

Digest = Callable[[Path], str]
SHOP = {
    "shop/__init__.py": "",
    "shop/cart.py": "class Cart:\n    def __init__(self):\n        self.lines = []\n\n"
    "    def add(self, name, price):\n        self.lines.append((name, price))\n\n"
    "    def total(self):\n        return sum(price for _, price in self.lines)\n",
    "tests/__init__.py": "",
    "tests/test_cart.py": "from shop.cart import Cart\n\n\ndef filled():\n    cart = Cart()\n"
    '    cart.add("tea", 60)\n    cart.add("pot", 60)\n    return cart\n\n\n'
    "def test_total():\n    assert Cart().total() == 0\n\n\n"
    "def test_large_orders_are_cheaper():\n    assert filled().total() == 108\n\n\n"
    'def test_a_receipt_names_the_total():\n    assert filled().receipt() == "2 lines, 108 in all"\n',
}
PLAN = {
    "summary": "ten per cent off from 100, and a receipt",
    "tasks": [
        {"id": "a", "path": "shop/discounts.py", "symbol": None, "lines": None, "new": True, "depends_on": [],
         "instruction": "Define reduced(total): nine tenths of it from 100 on, else all of it.", "priority": 1},
        {"id": "b", "path": "shop/cart.py", "symbol": "Cart.total", "lines": None, "new": False,
         "depends_on": ["a"], "instruction": "Return reduced(sum of prices).", "priority": 2},
        {"id": "c", "path": "shop/cart.py", "symbol": "Cart", "lines": None, "new": False, "depends_on": ["b"],
         "instruction": "Add receipt(): number of lines and total.", "priority": 3},
    ],
}  # fmt: skip
NEW = "--- /dev/null\n+++ b/shop/discounts.py\n@@ -0,0 +1,2 @@\n+def reduced(total):\n+    return {}\n"
TOTAL = (
    "--- a/shop/cart.py\n+++ b/shop/cart.py\n@@ -1,2 +1,4 @@\n+from shop.discounts import reduced\n+\n"
    " class Cart:\n     def __init__(self):\n@@ -8,2 +10,2 @@\n     def total(self):\n"
    "-        return sum(price for _, price in self.lines)\n"
    "+        return reduced(sum(price for _, price in self.lines))\n"
)
RECEIPT = (
    "--- a/shop/cart.py\n+++ b/shop/cart.py\n@@ -10,2 +10,5 @@\n     def total(self):\n"
    "         return reduced(sum(price for _, price in self.lines))\n+\n+    def receipt(self):\n"
    '+        return f"{len(self.lines)} lines, {self.total()} in all"\n'
)
FOREIGN = (
    "--- a/tests/test_cart.py\n+++ b/tests/test_cart.py\n@@ -1,1 +1,1 @@\n-from shop.cart import Cart\n+x = 1\n"
)
WRONG = NEW.format("total")
RIGHT = (
    "--- a/shop/discounts.py\n+++ b/shop/discounts.py\n@@ -1,2 +1,2 @@\n def reduced(total):\n-    return total\n"
    "+    return total * 9 // 10 if total >= 100 else total\n"
)


class Typist:
    """Answers by what it is asked; its first diff is of another file, and its first new file is wrong."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, asked: Asked) -> Answer:
        prompt = asked.prompt
        if "You plan a change" in prompt:
            return Answer(text=f"Here is the plan:\n```json\n{json.dumps(PLAN)}\n```\n")
        self.told.append(prompt)
        if "Define reduced" in prompt:
            if "the tests still fail" in prompt:
                return Answer(text=RIGHT)
            return Answer(text=WRONG if "Refused last time" in prompt else FOREIGN)
        return Answer(text=f"```diff\n{TOTAL if 'Return reduced' in prompt else RECEIPT}```\n")


def endpoint(server: ScriptedServer) -> dict[str, str]:
    return {
        "GITAGENT_API_BASE_URL": server.url,
        "GITAGENT_API_MODEL": "scripted",
        "GITAGENT_TEMPLATES_ENABLED": "false",
    }


def test_a_planned_change_of_three_tasks_is_written_refused_mended_and_proven(
    making: Callable[..., Project], untouched: Digest
) -> None:
    shop = making(SHOP)
    before = untouched(shop.root)
    typist = Typist()
    with ScriptedServer(typist) as server:
        done = shop.gitagent("fix", "Orders from 100 on get ten per cent off, and carts print a receipt",
                             "--api", "--candidates", "1", "--json", env=endpoint(server))  # fmt: skip
    assert untouched(shop.root) == before
    assert done.code == 0, done.err + done.out[-2000:]
    assert all(asked.body["stream"] for asked in server.chats)
    refused = [str(event["reason"]) for event in done.events if event["event"] == "reply_refused"]
    assert any("tests/test_cart.py" in reason for reason in refused)
    assert any("Refused last time: " in prompt and "tests/test_cart.py" in prompt for prompt in typist.told)
    assert any("the tests still fail" in prompt for prompt in typist.told)
    (branch,) = shop.branches()
    log = shop.git("log", "--format=%s", "--reverse", f"main..{branch}").split("\n")
    assert (
        log[0].startswith("discounts: define reduced(total)") and log[1] == "cart: return reduced(sum of prices)"
    )
    assert len(log) >= 3 and all(len(subject) <= 72 for subject in log)
    for commit in shop.git("rev-list", f"main..{branch}").split():
        trailers = shop.trailers(commit)
        assert trailers["Gitagent-Worker"] == "api" and trailers["Gitagent-Model"].startswith("sha256:")
        assert trailers["Gitagent-Prompt"].startswith("sha256:") and trailers["Gitagent-Sampling"]
    assert shop.git("diff", "--name-only", "main", branch).split() == ["shop/cart.py", "shop/discounts.py"]
    body = shop.pull()
    assert "| `api` |" in body
    assert "**passed**: 2 red tests now passing" in body and "- Nothing was left out." in body


def test_a_model_that_knows_the_one_line_mends_what_no_template_could(calc: Project, untouched: Digest) -> None:
    before = untouched(calc.root)
    diff = "@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return sum((a, b))\n"
    with ScriptedServer([diff]) as server:
        done = calc.gitagent("fix", "--test", "test_add", "--api", "--json",
                             env={**endpoint(server), "GITAGENT_API_PROMPT_PRICE": "100"})  # fmt: skip
    assert untouched(calc.root) == before
    assert done.code == 0, done.err
    (ledger,) = done.event("run_finished")["ledger"]  # type: ignore[misc]
    assert ledger["dollars"] > 0 and ledger["prompt_tokens"] > 0
    assert len(server.chats) <= 3
    assert calc.trailers(calc.branches()[0])["Gitagent-Tokens"] != "0 prompt, 0 answer"


TWO_PLACES = {
    "calc.py": "from more import base\n\n\ndef add(a, b):\n    return base(a) - b\n\n\n"
    "def double(a):\n    return a * 2\n",
    "more.py": "def base(a):\n    return a\n",
    "test_calc.py": "from calc import add, double\n\n\ndef test_add():\n    assert add(2, 3) == 5\n\n\n"
    "def test_double():\n    assert double(4) == 8\n",
}


class Doubtful:
    """Is wrong about every place until it has planned; plans, or has no plan and is right about the second place."""

    def __init__(self, plan: str) -> None:
        self.plan, self.asked = plan, list[str]()

    def __call__(self, asked: Asked) -> str:
        prompt = asked.prompt
        if "You plan a change" in prompt:
            self.asked.append("plan")
            return self.plan
        if "more.py, from" in prompt:
            self.asked.append("more.py")
            return "@@ -2 +2 @@\n-    return a\n+    return a + 6\n"
        right = "return the sum" in prompt
        self.asked.append("calc.py")
        wrong = f"base(a) * {len(self.asked)}"
        return f"@@ -5 +5 @@\n-    return base(a) - b\n+    return {'base(a) + b' if right else wrong}\n"


def test_a_plan_is_paid_for_before_every_other_place_is_tried(making: Callable[..., Project]) -> None:
    project = making(TWO_PLACES)
    task = {"id": "1", "path": "calc.py", "symbol": "add", "instruction": "return the sum"}
    model = Doubtful(json.dumps({"summary": "add", "tasks": [task]}))
    with ScriptedServer(model) as server:
        done = project.gitagent("fix", "--test", "test_add", "--api", "--json", env=endpoint(server))
    assert done.code == 0, done.err
    # Two rounds of three answers about the likeliest place, then the plan and its one task.
    assert model.asked == ["calc.py"] * 6 + ["plan", "calc.py"]


def test_without_a_usable_plan_the_other_places_are_asked_about(making: Callable[..., Project]) -> None:
    project = making(TWO_PLACES)
    model = Doubtful("I would rather not.")
    with ScriptedServer(model) as server:
        done = project.gitagent("fix", "--test", "test_add", "--api", "--json", env=endpoint(server))
    assert done.code == 0, done.err
    assert model.asked == ["calc.py"] * 6 + ["plan"] * 3 + ["more.py"]
