"""From a sentence to a failing test, then to what mends it: each a commit of its own, and proven."""

from collections.abc import Callable
from pathlib import Path

from tests.e2e.running import Project
from tests.e2e.test_api import endpoint
from tests.scripted_server import Answer, Asked, ScriptedServer

Digest = Callable[[Path], str]
SHOP = {
    "shop/__init__.py": "",
    "shop/text.py": "def initial(name):\n    return name[0].upper()\n\n\ndef shout(text):\n    return text.lower()\n",
    "tests/test_text.py": 'from shop.text import initial\n\n\ndef test_initial():\n    assert initial("ada") == "A"\n',
}
NEW = "--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,5 @@\n{body}"
IMPORTS = "+from shop.text import whisper\n+\n+\n+def test_it():\n+    assert whisper('a') == 'A'\n"
GREEN = "+from shop.text import shout\n+\n+\n+def test_it():\n+    assert shout('a') == 'a'\n"
RED = "+from shop.text import shout\n+\n+\n+def test_shout_is_loud():\n+    assert shout('tea') == 'TEA'\n"
MENDED = "@@ -5,2 +5,2 @@\n def shout(text):\n-    return text.lower()\n+    return text.swapcase()\n"
TEXT = "shout returns the text in small letters, it should be in capitals"
PATH = "tests/test_shout_returns_the_text_in_small_letters.py"


def test_a_sentence_becomes_a_test_commit_and_a_fix_commit_and_is_proven(
    making: Callable[..., Project], untouched: Digest
) -> None:
    shop = making(SHOP)
    before = untouched(shop.root)
    base = shop.git("rev-parse", "HEAD")
    asked_for_a_test: list[str] = []
    said = []

    def answer(asked: Asked) -> Answer:
        if "one short pytest function" in asked.prompt:
            asked_for_a_test.append(asked.prompt)
            body = [IMPORTS, RED][len(asked_for_a_test) - 1]
            return Answer(text=NEW.format(path=PATH, body=body))
        said.append(asked.prompt)
        return Answer(text=f"```diff\n{MENDED}```\n")

    with ScriptedServer(answer) as server:
        done = shop.gitagent("fix", TEXT, "--api", "--json", env=endpoint(server))
    assert done.code == 0, str([e["reason"] for e in done.events if e["event"] == "reply_refused"])
    assert untouched(shop.root) == before
    assert "it fails by its own fault" in asked_for_a_test[1] and "def shout" in asked_for_a_test[0]
    (branch,) = shop.branches()
    test, fix = shop.git("rev-list", "--reverse", f"{base}..{branch}").split()
    assert shop.git("diff", "--name-only", base, test) == PATH
    assert shop.git("diff", "--name-only", test, fix) == "shop/text.py"
    assert shop.trailers(test)["Gitagent-Verdict"] == "fails on base, as asked"
    verdict = done.event("verdict_reached")
    assert verdict["fail_to_pass"] == [f"{PATH}::test_shout_is_loud"] and verdict["pass_to_pass"] == 1
    body = shop.pull()
    assert test[:12] in body and fix[:12] in body
    held = shop.gitagent("verify", "1")
    assert held.code == 0, held.out + held.err


def test_a_traceback_in_the_request_is_a_test_and_a_template_mends_it_without_any_model(
    making: Callable[..., Project],
) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/sums.py": "def total(items):\n    result = 0\n    for at in range(len(items) + 1):\n"
        "        result += items[at]\n    return result\n\n\ndef half(number):\n    return number / 2\n",
        "tests/test_sums.py": "from shop.sums import half\n\n\ndef test_half():\n    assert half(4) == 2\n",
    }
    shop = making(files)
    text = (
        'total fails:\n\nTraceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n'
        '    print(total([1, 2]))\n  File "/home/me/shop/sums.py", line 4, in total\n    result += items[at]\n'
        "IndexError: list index out of range\n"
    )
    done = shop.gitagent("fix", "-", "--json", stdin=text)
    assert done.code == 0, done.out[-2000:] + done.err
    test, fix = [event for event in done.events if event["event"] == "committed"]
    assert "+def test_total_raises_no_index_error():\n+    total([1, 2])" in str(test["diff"])
    assert "shop/sums.py" in str(fix["diff"])
    assert done.event("verdict_reached")["fail_to_pass"] == [
        "tests/test_total_fails.py::test_total_raises_no_index_error"
    ]


def test_a_test_that_passes_or_that_nobody_wants_leaves_the_way_as_it_was(making: Callable[..., Project]) -> None:
    shop = making(SHOP)
    asked_for_a_test: list[str] = []

    def answer(asked: Asked) -> Answer:
        if "one short pytest function" in asked.prompt:
            asked_for_a_test.append(asked.prompt)
            return Answer(text=NEW.format(path=PATH, body=GREEN))
        return Answer(text="no plan")

    with ScriptedServer(answer) as server:
        done = shop.gitagent("fix", TEXT, "--api", "--json", env=endpoint(server))
        assert len(asked_for_a_test) == 2 and "it passes on base" in asked_for_a_test[1]
        assert done.code == 4 and shop.branches() == []
        assert shop.gitagent("fix", TEXT, "--api", "--no-test-first", env=endpoint(server)).code == 4
    assert len(asked_for_a_test) == 2
