"""The grammar of one excerpt: everything it lets through applies, and reads back to the same text."""

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.grammar import (
    Bounds,
    Edit,
    Ground,
    as_gbnf,
    as_lark,
    as_vllm,
    fits,
    grammar_of,
    ground_for,
    replay,
    urged,
)
from gitagent.core.grammar.rules import Added, Grammar, Literal, Name
from gitagent.errors import DiffError

HOSTILE = [
    "",
    " ",
    "\t",
    "a\r",
    "\x0c",
    "\x1b[0m",
    "\x7f",
    "é",
    "e\u0301",
    "\u2028",
    "\ufeff",
    "😀👨‍👩‍👧",
    "@@ -1,3 +1,3 @@",
    "@@ -1 +1 @@",
    "--- a/a.py",
    "+++ b/a.py",
    "+",
    "-",
    "\\ No newline at end of file",
    "```",
    "```diff",
    '"\\"',
    "'''",
    "/x/",
    "x" * 300,
]

lines_ = st.lists(
    st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=8)
)


def ground_of(text: str, first: int = 1, count: int | None = None, bounds: Bounds | None = None) -> Ground:
    lines = text.split("\n")
    kept = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    excerpt = "".join(kept[first - 1 :] if count is None else kept[first - 1 : first - 1 + count])
    return ground_for("dir/a.py", first, excerpt, text, bounds=bounds)


def any_answer(grammar: Grammar, rng: random.Random, newline: str, most: int = 400) -> str:
    """A walk through the rules: what a model that knows nothing could say."""
    out: list[str] = []
    waiting = [[rng.choice(grammar.rules[grammar.start])]]
    stack = [*waiting[0][0]]
    while stack:
        symbol = stack.pop(0)
        if isinstance(symbol, Literal):
            out.append(symbol.text)
        elif isinstance(symbol, Added):
            for _ in range(rng.randint(1, min(symbol.most, 3))):
                text = rng.choice([*(line for line in HOSTILE if line.isprintable()), "x = 1"])
                out.append(f"+{text[: grammar.line_characters]}{newline}")
        else:
            choices = grammar.rules[symbol.rule]
            stack = [*(min(choices, key=len) if len(out) > most else rng.choice(choices)), *stack]
    return "".join(out)


def outcome(ground: Ground, answer: str, *, cut: bool = False) -> tuple[Edit | None, str]:
    """What an answer comes to, or why it does not."""
    try:
        return replay(ground, answer, cut=cut), ""
    except DiffError as error:
        return None, str(error)


def git_apply(directory: Path, path: str, text: str, diff: str, *, is_new: bool) -> bytes:
    """What git makes of the file; an error of git's fails the test."""
    if not (directory / ".git").exists():
        subprocess.run(["git", "init", "-q", directory], check=True)
    file = directory / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    if not is_new:
        file.write_bytes(text.encode())
    subprocess.run(
        ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"],
        cwd=directory,
        input=diff.encode(),
        check=True,
        capture_output=True,
    )
    return file.read_bytes()


@settings(max_examples=60, deadline=None)
@given(lines=lines_, ends=st.booleans(), crlf=st.booleans(), data=st.data())
def test_every_answer_applies_with_git_and_gives_the_text_that_replay_gives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ends: bool, crlf: bool, data: st.DataObject
) -> None:
    newline = "\r\n" if crlf else "\n"
    text = newline.join(lines) + (newline if ends and lines else "")
    size = len([*text.split("\n")[:-1]]) + bool(text.split("\n")[-1])
    first = data.draw(st.integers(1, max(size, 1)))
    count = data.draw(st.integers(1, max(size - first + 1, 1)))
    ground = ground_of(text, first, count)
    grammar = grammar_of(ground)
    answer = any_answer(grammar, random.Random(data.draw(st.integers(0, 10**6))), ground.newline)
    edit, reason = outcome(ground, answer)
    if edit is None:
        assert "changes nothing" in reason
        return
    where = tmp_path_factory.getbasetemp() / "git-apply"
    where.mkdir(exist_ok=True)
    assert git_apply(where, "dir/a.py", text, edit.diff, is_new=ground.is_new) == edit.text.encode()


@settings(max_examples=60, deadline=None)
@given(lines=lines_, data=st.data())
def test_an_answer_cut_anywhere_is_an_edit_or_stops_before_its_first_change(
    lines: list[str], data: st.DataObject
) -> None:
    text = "\n".join(lines)
    ground = ground_of(text)
    answer = any_answer(grammar_of(ground), random.Random(data.draw(st.integers(0, 10**6))), ground.newline)
    cut = data.draw(st.integers(len(ground.head), len(answer)))
    edit, reason = outcome(ground, answer[:cut], cut=True)
    if edit is None:
        assert "before its first change" in reason or "changes nothing" in reason
    else:
        assert edit.text != text


def test_a_realistic_change_reads_back_with_right_counts() -> None:
    text = "".join(f"line {number}\n" for number in range(1, 21))
    ground = ground_of(text, 5, 12)
    answer = (
        ground.head
        + "@@ -6 +6 @@\n line 6\n line 7\n line 8\n-line 9\n+line nine\n+line nine and a half\n line 10\n```"
    )
    edit = replay(ground, answer)
    assert edit.diff == (
        "diff --git a/dir/a.py b/dir/a.py\n--- a/dir/a.py\n+++ b/dir/a.py\n"
        "@@ -6,7 +6,8 @@\n line 6\n line 7\n line 8\n-line 9\n+line nine\n+line nine and a half\n"
        " line 10\n line 11\n line 12\n"
    )
    assert (edit.added, edit.removed, edit.first_line) == (2, 1, 9)


def test_changes_near_each_other_become_one_hunk_and_far_ones_two() -> None:
    text = "".join(f"{number}\n" for number in range(1, 31))
    near = replay(ground_of(text), ground_of(text).head + "@@ -1 +1 @@\n-1\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n")
    far = replay(
        ground_of(text), ground_of(text).head + "@@ -1 +1 @@\n-1\n 2\n@@ -20 +20 @@\n 20\n 21\n 22\n-23\n"
    )
    assert near.diff.count("@@ -") == 1
    assert far.diff.count("@@ -") == 2
    assert "@@ -20,7 +19,6 @@" in far.diff


def test_a_new_file_is_made_from_nothing() -> None:
    ground = ground_for("new.py", 1, "", "")
    edit = replay(ground, ground.head + "@@ -0,0 +1 @@\n+print()\n```")
    assert edit.text == "print()\n"
    assert "new file mode 100644\n--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,1 @@\n+print()\n" in edit.diff


def test_a_file_without_a_final_newline_can_keep_or_gain_one() -> None:
    ground = ground_of("a\nb")
    kept = ground.head + "@@ -1 +1 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
    gained = ground.head + "@@ -1 +1 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
    assert replay(ground, kept).text == "a\nc"
    assert replay(ground, gained).text == "a\nc\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("@@ -1 +1 @@\n-a\n+a\n", "changes nothing"),
        ("@@ -1 +1 @@\n a\n", "changes nothing"),
        ("", "before its first change"),
        ("@@ -1 +1 @@\n-b\n", "may not go on"),
        ("@@ -2 +2 @@\n-a\n", "may not go on"),
        ("-a\n", "may not go on"),
        ("@@ -1 +1 @@\n-a\n+" + "x" * 201 + "\n", "may not go on"),
        ("@@ -1 +1 @@\n-a\n+\x07\n", "may not go on"),
        ("@@ -1 +1 @@\n-a\n\\ No newline at end of file\n", "may not go on"),
        ("@@ -1 +1 @@\n-a\n@@ -1 +1 @@\n-a\n", "may not go on"),
        ("@@ -1 +1 @@\n-a\n-b", "stops inside a line"),
        ("@@ -1 +1 @@\n-a\n@@ -2 +2 @@\n", "last hunk changes nothing"),
        ("@@ -1 +1 @@\n-a\n\n", "may not go on"),
    ],
)
def test_what_the_grammar_would_not_let_through_is_refused_with_its_reason(answer: str, why: str) -> None:
    ground = ground_of("a\nb\nc\n")
    with pytest.raises(DiffError, match=why):
        replay(ground, ground.head + answer)


def test_an_answer_that_is_about_another_file_is_refused() -> None:
    with pytest.raises(DiffError, match="own head"):
        replay(ground_of("a\n"), "--- a/other\n")


def test_limits_on_hunks_and_added_lines_hold_in_the_grammar_and_in_replay() -> None:
    bounds = Bounds(hunks=1, added_lines=2)
    ground = ground_of("".join(f"{number}\n" for number in range(20)), bounds=bounds)
    assert not any(name.startswith(("from_2", "lead_2")) for name in grammar_of(ground).rules)
    assert "ADDED{1,2}" in as_lark(grammar_of(ground))
    with pytest.raises(DiffError):
        replay(ground, ground.head + "@@ -1 +1 @@\n+1\n+2\n+3\n")
    with pytest.raises(DiffError):
        replay(ground, ground.head + "@@ -1 +1 @@\n-0\n@@ -10 +10 @@\n 9\n 10\n 11\n-12\n")


def test_a_grammar_that_admits_nothing_is_an_error_that_says_so() -> None:
    with pytest.raises(DiffError, match="no change is possible"):
        grammar_of(ground_for("new.py", 1, "", "", bounds=Bounds(added_lines=0)))
    assert "open_1_1" in grammar_of(ground_of("a\n", bounds=Bounds(added_lines=0))).rules


@pytest.mark.parametrize("text", ["a\udcff\n", "a\0b\n"])
def test_a_file_that_is_no_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(DiffError, match=r"^dir/a.py: .*untouched"):
        ground_for("dir/a.py", 1, text, text)


def test_an_excerpt_that_is_not_in_the_file_is_refused() -> None:
    with pytest.raises(DiffError, match="not what the file holds at line 2"):
        ground_for("a.py", 2, "x\n", "a\nb\n")
    with pytest.raises(DiffError, match="nothing can follow line 1"):
        ground_for("a.py", 2, "", "a")


def test_the_same_line_is_one_terminal_and_hostile_characters_are_escaped() -> None:
    ground = ground_of('pass\nif "\x7f\\😀\u2028":\n    pass\npass\n')
    lark, gbnf = as_lark(grammar_of(ground)), as_gbnf(grammar_of(ground))
    assert lark.count('" pass\\n"') == 1
    assert '\\"\\u007f\\\\\\ud83d\\ude00\\u2028\\"' in lark
    assert '\\"\\x7F\\\\\\U0001F600\\u2028\\"' in gbnf
    assert as_vllm(grammar_of(ground)) == {"structured_outputs": {"grammar": gbnf}}


def test_added_lines_of_a_crlf_file_end_as_its_lines_do() -> None:
    ground = ground_of("a\r\nb\r\n")
    assert "\\r\\n/" in as_lark(grammar_of(ground))
    assert '"\\r\\n"' in as_gbnf(grammar_of(ground))
    assert replay(ground, ground.head + "@@ -1 +1 @@\n-a\r\n+c\r\n").text == "c\r\nb\r\n"
    with pytest.raises(DiffError):
        replay(ground, ground.head + "@@ -1 +1 @@\n-a\r\n+c\n")


@pytest.mark.parametrize("path", ["with space.py", 'quo"te.py', "tab\there.py", "é/ü.py"])
def test_the_diff_names_odd_paths_as_git_does(tmp_path: Path, path: str) -> None:
    ground = ground_for(path, 1, "a\n", "a\n")
    edit = replay(ground, ground.head + "@@ -1 +1 @@\n-a\n+b\n")
    assert git_apply(tmp_path, path, "a\n", edit.diff, is_new=False) == b"b\n"


def test_long_lines_are_not_asked_for_as_context_and_every_line_can_still_be_changed() -> None:
    lines = ["short\n", "x" * 300 + "\n", "short 2\n", "y" * 300 + "\n", "end\n"]
    ground = ground_of("".join(lines))
    rules = grammar_of(ground).rules
    assert rules["from_1_1"][0] == (Literal("@@ -2 +2 @@\n"), Name("lead_1_1"))
    assert rules["from_1_2"][0] == (Literal("@@ -3 +3 @@\n"), Literal(" short 2\n"), Name("lead_1_3"))
    for at in range(5):
        assert any(name == f"lead_1_{at}" for name in rules)


def test_an_answer_is_urged_on_as_its_tokens_run_out() -> None:
    ground = ground_of("a\nb\n")
    head = ground.head.encode()
    assert urged(ground, head, 10, 100) == ""
    assert urged(ground, head + b"@@ -1 +1 @@\n a\n", 60, 100) == ""
    assert urged(ground, head + b"@@ -1 +1 @@\n a\n", 50, 100) == "change"
    assert urged(ground, head + b"@@ -1 +1 @@\n a", 50, 100) == "change next"
    assert urged(ground, head + b"@@ -1 +1 @@\n-a\n", 50, 100) == ""
    long = ground_of("a\n" + "b" * 300 + "\n")
    assert urged(long, long.head.encode() + b"@@ -1 +1 @@\n a\n", 140, 200, lambda line: len(line) // 2) == "add"
    assert (
        urged(long, long.head.encode() + b"@@ -1 +1 @@\n a", 140, 200, lambda line: len(line) // 2) == "add next"
    )
    assert urged(long, long.head.encode() + b"@@ -1 +1 @@\n a", 160, 200, lambda line: len(line) // 2) == ""
    assert fits("add", b"+x")
    assert not fits("add next", b"\n-")
    assert urged(ground, head + b"@@ -1 +1 @@\n+long", 9, 100) == ""
    assert urged(ground, head + b"@@ -1 +1 @@\n+long", 8, 100) == "end the line"
    assert urged(ground, head + b"@@ -1 +1 @@\n+" + b"x" * 189, 60, 100) == ""
    assert urged(ground, head + b"@@ -1 +1 @@\n+" + b"x" * 190, 60, 100) == "end the line"
    assert urged(ground, head + b"@@ -1 +1 @@\n+" + "é".encode() * 189, 60, 100) == ""
    assert fits("change", b"-a")
    assert not fits("change", b" b")
    assert fits("change next", b"\n+")
    assert not fits("change next", b"x\n ")
    assert fits("end the line", b"\r\n")
    assert not fits("end the line", b"\n+")
    assert fits("", b"anything")


def test_the_translator_that_vllm_puts_before_its_guidance_backend_takes_the_grammar() -> None:
    llguidance = pytest.importorskip("llguidance", reason="needs the extra `local`")
    from llguidance.gbnf_to_lark import any_to_lark

    text = "def f(a):\n    if a:\n        return 1\n    return 2\n"
    lark = any_to_lark(as_gbnf(grammar_of(ground_for("a.py", 1, text, text))))
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.grammar_from("lark", lark))
    assert not matcher.is_error(), matcher.get_error()
    head = "```diff\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n def f(a):\n     if a:\n"
    said = tokenizer.tokenize_str(f"{head}-        return 1\n+        return 3\n     return 2\n```")
    assert matcher.try_consume_tokens(said) == len(said) and matcher.is_accepting()
    other = llguidance.LLMatcher(tokenizer, llguidance.grammar_from("lark", lark))
    wrong = tokenizer.tokenize_str(f"{head}-        return 2\n")
    assert other.try_consume_tokens(wrong) < len(wrong)
