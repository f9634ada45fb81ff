import pytest

from gitagent.core.diffs import apply_reply
from gitagent.errors import DiffError

FILE = "def f(a):\n    if a:\n        return 1\n    return 2\n\n\ndef g():\n    return 3\n"


def read(path: str) -> str | None:
    return {"m.py": FILE}.get(path)


HEAD = "--- a/m.py\n+++ b/m.py\n"


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + "@@ -3,2 +3,2 @@\n         return 1\n-    return 2\n+    return 4\n",
        "Sure:\n\n```diff\n" + HEAD + "@@ -99,9 +1,1 @@\n         return 1\n-    return 2\n+    return 4\n"
        "```\n\nDone.",
        "--- m.py\r\n+++ m.py\r\n@@ ... @@\r\n-    return 2\r\n+    return 4\r\n",
        "diff --git a/m.py b/m.py\nindex 1..2 100644\n" + HEAD + "@@ @@\n-    return 2\n+    return 4\n\n",
    ],
)
def test_an_everyday_reply_is_applied(reply: str) -> None:
    applied = apply_reply(reply, read)
    assert applied.texts == {"m.py": FILE.replace("return 2", "return 4")}
    assert applied.diff.paths == ("m.py",)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I could not find the bug.",
        HEAD + "@@ -1 +1 @@\n-    return 9\n+    return 4\n",
        HEAD + "@@ -1 +1 @@\n-    return 2\n+    return 2\n",
        "--- a/.git/hooks/x\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n",
        "--- a/n.py\n+++ b/n.py\n@@ -1 +1 @@\n-    return 2\n+    return 4\n",
    ],
)
def test_a_reply_that_cannot_be_meant_is_refused(reply: str) -> None:
    with pytest.raises(DiffError):
        apply_reply(reply, read)


def test_only_allowed_paths_are_changed() -> None:
    reply = HEAD + "@@ -1 +1 @@\n-    return 2\n+    return 4\n"
    with pytest.raises(DiffError, match=r"only n\.py may be changed"):
        apply_reply(reply, read, allowed=["n.py"])
