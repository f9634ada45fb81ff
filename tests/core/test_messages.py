import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core import messages
from gitagent.core.texts import fenced
from gitagent.records import Candidate, Commit, Diff, Limits, MicroTask, Plan, Request, Spending, TestRun, Verdict

DIFF = Diff(text="", paths=("shop/pricing.py",), added=1, removed=2)
TASK = MicroTask(id="t1", path="shop/pricing.py", first_line=3, excerpt="x\n", instruction="", answer_tokens=9)


def asked(text: str) -> Request:
    return Request(text=text, source="text", reference="", asked_by="", base="b" * 40, key="1234abcd")


def candidate(pattern: str = "replace < by <=", path: str = "shop/pricing.py", digest: str = "") -> Candidate:
    diff = Diff(text="", paths=(path,), added=1, removed=2)
    spending = Spending(worker="templates", prompt_tokens=7, answer_tokens=5)
    return Candidate(task="t1", worker="templates", diff=diff, texts={}, pattern=pattern, model_digest=digest,
                     prompt_digest=digest, spending=spending)  # fmt: skip


def run(state: str = "passed") -> TestRun:
    return TestRun(tree="t" * 40, sandbox="docker:sha256:1", argv=("python3", "-m", "pytest"), state=state,
                   results=(), exit_code=0, seconds=1.0)  # type: ignore[arg-type]  # fmt: skip


def trailers(message: str) -> dict[str, str]:
    last = message.rstrip("\n").split("\n\n")[-1]
    return dict(line.split(": ", 1) for line in last.split("\n"))


def test_a_commit_says_area_and_change_and_carries_its_trailers() -> None:
    text = messages.commit_message(
        asked("Sum is wrong"), TASK, candidate(digest="d" * 64), run="r1", verdict="passed"
    )
    assert text.startswith("pricing: replace < by <=\n\nAsked: Sum is wrong\n\n")
    assert trailers(text) == {
        "Gitagent-Task": "t1 shop/pricing.py:3",
        "Gitagent-Worker": "templates",
        "Gitagent-Model": f"sha256:{'d' * 64}",
        "Gitagent-Prompt": f"sha256:{'d' * 64}",
        "Gitagent-Tokens": "7 prompt, 5 answer",
        "Gitagent-Verdict": "passed",
        "Gitagent-Request": "text 1234abcd",
        "Gitagent-Run": "r1",
        "Gitagent-Asked": asked("Sum is wrong").digest,
        "Gitagent-Sampling": "temperature 0, seed 0",
    }


def test_a_packages_own_file_is_named_by_its_directory() -> None:
    assert messages.subject(candidate(path="shop/cart/__init__.py")).startswith("cart: ")


@given(st.text(min_size=1), st.text())
def test_no_request_or_pattern_can_forge_a_trailer_or_a_second_line(text: str, pattern: str) -> None:
    message = messages.commit_message(asked(text), TASK, candidate(pattern), run="r1", verdict="failed")
    paragraphs = message.rstrip("\n").split("\n\n")
    assert len(paragraphs) == 3 and "\n" not in paragraphs[0] and len(paragraphs[0]) <= 72
    assert trailers(message)["Gitagent-Verdict"] == "failed"


@given(st.text())
def test_fences_and_inline_code_cannot_be_closed_from_inside(text: str) -> None:
    block = fenced(text, "text")
    fence = re.match(r"`+", block)
    assert fence and block.count(fence[0]) == 2 and block.endswith("\n" + fence[0])
    inline = messages.code(text)
    ticks = re.match(r"`+", inline)
    assert ticks and "\n" not in inline and inline.endswith(ticks[0])
    assert ticks[0] not in inline[len(ticks[0]) : -len(ticks[0])] or inline == "``` ```"


def test_the_body_shows_proof_changes_plan_cost_and_what_was_not_done() -> None:
    plan = Plan(summary="mend the sum", mode="any", tasks=(TASK,), planner="localizer", assumptions=("sums add",))
    verdict = Verdict(state="passed", reason="1 red test turned green", base=run("failed"), tip=run(),
                      fail_to_pass=("tests/test_sum.py::test_a[x|y]",), pass_to_pass=("a", "b"),
                      flaky=("f",))  # fmt: skip
    commit = Commit(branch="gitagent/1", oid="c" * 40, tree="t" * 40)
    body = messages.pull_body(
        run="r1",
        request=asked("@everyone Sum is wrong ```"),
        plan=plan,
        changes=[(commit, candidate())],
        verdict=verdict,
        ledger=[Spending(worker="api", calls=1, prompt_tokens=900, answer_tokens=50, dollars=0.01, seconds=2)],
        limits=Limits(),
        seconds=3.0,
        tried=4,
        not_done=["docs were left alone", "it said: @ada\n# [look](http://evil)"],
    )
    assert "````text\n@everyone Sum is wrong ```\n````" in body
    assert "| `tests/test_sum.py::test_a[x\\|y]` | red | green |" in body
    assert "| 2 others | green | green |" in body and "| `f` | flaky | flaky |" in body
    assert "| `cccccccccccc` | `shop/pricing.py` | `replace < by <=` (+1 −2) | `templates` |" in body
    assert "| `api` | 1 | 900 | 50 | 0.0100 | 2.0 |" in body
    assert (
        "- `docs were left alone`\n- `it said: @ada # [look](http://evil)`\n" in body
        and "- Assumed: `sums add`" in body
        and "gitagent show r1" in body
    )


def test_a_body_without_proof_says_so() -> None:
    body = messages.pull_body(run="r", request=asked("x"), plan=None, changes=[], verdict=None, ledger=[],
                              limits=Limits(), seconds=0, tried=0, not_done=[])  # fmt: skip
    assert "no tests were run" in body and "no model was asked" in body and "Nothing was left out" in body
    assert messages.pull_title(asked("Sum"), proven=False) == "[unproven] Sum"
    assert messages.pull_title(asked("Sum"), proven=True) == "Sum"


def test_long_tables_are_cut_and_say_so() -> None:
    verdict = Verdict(state="failed", reason="x", base=run(), tip=run(),
                      pass_to_fail=tuple(f"t{n}" for n in range(50)))  # fmt: skip
    body = messages.pull_body(run="r", request=asked("x"), plan=None, changes=[], verdict=verdict, ledger=[],
                              limits=Limits(), seconds=0, tried=0, not_done=[])  # fmt: skip
    assert "| and 10 more | | |" in body and "`t39`" in body and "`t40`" not in body


def one_change(old: str, new: str, first: int = 57) -> str:
    lines = "".join(f"-{old}\n" if old else "") + (f"+{new}\n" if new else "")
    return f"--- a/s.py\n+++ b/s.py\n@@ -{first},3 +{first},3 @@\n before\n{lines} after\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    lot.take(quantity)", "    lot.take(missing)", "use missing for quantity in line 58"),
        ("if a < b:", "if a <= b:", "use <= for < in line 58"),
        ("for i in range(n):", "for i in range(n - 1):", "add - 1 in line 58"),
        ("return total + 1", "return total", "take out + 1 in line 58"),
        ("move(a, b)", "move(b, a)", "use b, a for a, b in line 58"),
        ("", "    return 0", "add return 0 at line 58"),
        ("    pass", "", "take out pass in line 58"),
        ("x = 'a b'", "x = 'a c'", "use 'a c' for 'a b' in line 58"),
    ],
)
def test_a_templates_commit_says_in_words_what_changed(old: str, new: str, said: str) -> None:
    assert messages.in_words(one_change(old, new)) == said


def test_a_change_in_two_places_or_of_many_lines_is_said_by_its_pattern() -> None:
    two = "--- a/s.py\n+++ b/s.py\n@@ -1,3 +1,3 @@\n-a\n+b\n c\n-d\n+e\n"
    many = "--- a/s.py\n+++ b/s.py\n@@ -1,2 +1,2 @@\n-a\n-b\n+c\n+d\n"
    assert messages.in_words(two) == messages.in_words(many) == messages.in_words("") == ""
    assert messages.subject(replace(candidate("guard"), diff=replace(DIFF, text=two))) == "pricing: guard"


def test_words_that_do_not_fit_a_subject_give_way_to_the_pattern() -> None:
    long = replace(candidate("constant"), diff=replace(DIFF, text=one_change("x = 1", "x = " + "y" * 80)))
    assert messages.subject(long) == "pricing: constant"
