"""What a model wants is read tolerantly, what it may run is strict, and what it is told fits."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core import asking
from gitagent.core.asking import Answer, Call, Result, Step, gitwords
from gitagent.core.microtasks import estimate
from gitagent.errors import ModelError, RequestError
from gitagent.records import Message, Note


def count(messages: list[Message] | tuple[Message, ...]) -> int:
    return sum(4 + estimate(message.content) for message in messages)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ('{"thought": "x", "tool": "read_file", "input": "a.py:3-9", "path": ""}', "read_file a.py:3-9"),
        ('```json\n{"tool": "read", "path": "a.py"}\n```', "read_file a.py"),
        ('{"action": "cat", "file": "a.py", "start": 3, "end": 9,}', "read_file a.py:3-9"),
        ('Let me look. {"name": "readFile", "arguments": "{\\"path\\": \\"a.py\\"}"} ok?', "read_file a.py"),
        ('{"function": {"name": "functions.read_file", "arguments": {"file_path": "a.py"}}}', "read_file a.py"),
        ('{"read_file": {"path": "a.py"}}', "read_file a.py"),
        ("{'tool': 'search', 'query': 'def f', 'directory': 'src'}", "grep 'def f' in src"),
        ('{"tool": "grep", "input": "TODO", "path": ""}', "grep 'TODO'"),
        ('{"tool": "git", "input": "git log -3"}', "git log -3"),
        ('{"tool": "git", "args": ["log", "-3", "--", "a b.py"]}', "git log -3 -- 'a b.py'"),
        ('{"tool": "shell", "cmd": "pytest -q"}', "bash pytest -q"),
        ('{"tool": "bash", "action_input": {"command": "ls"}}', "bash ls"),
        ('{"tool": "think", "thought": "so it is b.py"}', "think so it is b.py"),
        ('<think>hm {"tool": "x"}</think>{"tool": "git", "command": "status"}', "git status"),
    ],
)
def test_a_call_is_read_in_the_words_models_use(reply: str, said: str) -> None:
    call = asking.read(reply)
    assert isinstance(call, Call) and call.said == said


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ('{"answer": "in a.py:3"}', "in a.py:3"),
        ('{"thought": "t", "tool": "answer", "input": "in a.py:3", "path": ""}', "in a.py:3"),
        ('{"action": "final_answer", "arguments": {"text": "in a.py:3"}}', "in a.py:3"),
        ("It is decided in a.py, line 3.", "It is decided in a.py, line 3."),
        ("It is `f = {1: 2}` in a.py.", "It is `f = {1: 2}` in a.py."),
    ],
)
def test_an_answer_is_read_in_the_words_models_use(reply: str, text: str) -> None:
    answer = asking.read(reply)
    assert isinstance(answer, Answer) and answer.text == text


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "the reply is empty"),
        ('{"tool": "write_file", "path": "a"}', 'there is no tool "write_file"'),
        ('{"tool": "read_file"}', '"read_file" needs "path"'),
        ('{"tool": "read_file", "path": "a.py", "first_line": "x"}', "is to be a line number"),
        ('{"tool": "read_file", "path": "a"} {"tool": "read_file", "path": "b"}', "more than one action"),
        ('{"tool": "bash", "input": "ls', "breaks off"),
        ('{"tool": "answer", "input": ""}', 'the "answer" is empty'),
        (r'{"tool": "bash", "input": "echo \u0000"}', "holds a character that stands in no text"),
        (r'{"tool": "git", "input": "log -S \ud800"}', "holds a character that stands in no text"),
        ('{"tool": 3}', '"tool" is to be one of'),
        (json.dumps({"tool": "bash", "input": "x" * 5000}), "longer than 4000"),
    ],
)
def test_what_is_not_certain_is_refused_with_a_reason(reply: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        asking.read(reply)


@given(st.text(max_size=200))
def test_whatever_a_model_says_is_an_action_or_a_reason(reply: str) -> None:
    with contextlib.suppress(ModelError):
        assert isinstance(asking.read(reply), (Call, Answer))


@pytest.mark.parametrize(
    "text",
    ["log -5 --oneline -- src/a.py", "show HEAD~2:src/a.py", "blame -L 3,9 a.py", "diff main..HEAD --stat",
     "log -S'def f' --format=%h", "shortlog -sn HEAD", "ls-tree -r HEAD", "branch --list 'gitagent/*'", "tag -l",
     "rev-list --count HEAD", "log --author=ada --since=2020-01-01", "show a1b2c3d", "log main...HEAD",
     "log -S price -n 3", "log -G 'a.*b' --all", "log -L 1,3:a.py"],
)  # fmt: skip
def test_git_that_only_reads_is_allowed(text: str) -> None:
    assert gitwords.words_of(text)[0] in gitwords.COMMANDS


@pytest.mark.parametrize(
    "text",
    ["-c core.pager=touch log", "-C /etc log", "--exec-path=/x log", "--git-dir=/x log", "status", "push origin main",
     "fetch ext::sh", "clone ext::sh -c id", "log --output=/etc/x", "log --outp=x", "diff --ext-diff",
     "show --textconv", "diff --no-index /etc/passwd a.py", "grep -O a", "log --show-signature",
     "log --format=%G?", "show /etc/passwd",
     "show HEAD:../x", "diff ../../etc/passwd a", "blame --contents /etc/passwd a.py", "blame -S/etc/passwd --stdin a",
     "log -O/etc/passwd", "branch new", "branch -d main", "tag v1", "tag -d v1", "ls-remote ext::sh", "archive HEAD",
     "config --list", "show HEAD:.env", "log -p -- .env", "show 'https://x/y'", "log 'unclosed", "", "daemon", "gc",
     "log --pretty='%GK'", "cat-file --batch", "diff --output a", "rev-parse --git-dir", "log C:/x", "log -- /etc/x",
     "log ~/x", "for-each-ref --shell", "describe --broken", "log --exec=x", "log --format '%G?'",
     "blame -S/etc/passwd a.py", "blame -S /etc/passwd a.py", "blame -n .env", "log -n --stat .env", "tag -n -d v1",
     "shortlog -n .env", "log -U --output=x", "log -- '*.py'"],
)  # fmt: skip
def test_git_that_could_do_more_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        gitwords.words_of(text)


def test_a_shortlog_of_nothing_named_is_one_of_head() -> None:
    assert gitwords.words_of("shortlog -sn -- a.py") == ("shortlog", "HEAD", "-sn", "--", "a.py")
    assert gitwords.words_of("shortlog main") == ("shortlog", "main")


def test_a_patch_of_a_file_with_credentials_is_not_shown() -> None:
    patch = "commit a1b2c3d4\ndiff --git a/.env b/.env\n+PASS=x1\ndiff --git a/a.py b/a.py\n+b\n"
    shown = gitwords.without_credential_files(patch)
    assert "PASS" not in shown and "+b" in shown and "not shown" in shown


def test_a_patch_with_credentials_is_not_shown_beside_a_graph() -> None:
    patch = (
        "* commit a1b2c3d4\n| | diff --git a/.env b/.env\n| | +PASS=x1\n| |  commit a1b2c3d4\n| | +PASS=x2\n"
        "| * commit b1b2c3d4\n| | diff --git a/a.py b/a.py\n| | +b\n"
    )
    shown = gitwords.without_credential_files(patch)
    assert "PASS" not in shown and "| | +b" in shown and "b1b2c3d4" in shown


def call(tool: str, text: str) -> Call:
    return Call(
        tool=tool,
        arguments={{"read_file": "path", "grep": "pattern", "git": "arguments"}.get(tool, "command"): text},
    )


@pytest.mark.parametrize(
    ("rules", "asked", "allowed"),
    [
        ("read_file", call("read_file", "a.py"), True),
        ("read_file/src/", call("read_file", "src/a.py"), True),
        ("read_file/src/", call("read_file", "src/../a.py"), False),
        ("read_file/src", call("read_file", "srcx/a.py"), False),
        ("grep/src", call("grep", "src"), False),
        ("grep/src", Call(tool="grep", arguments={"pattern": "x", "path": "src/a.py"}), True),
        ("bash/pytest", call("bash", "pytest\x0bid"), False),
        ("git/log", call("git", "log -3"), True),
        ("git/log", call("git", "show HEAD"), False),
        ("bash/pytest -q", call("bash", "pytest -q tests"), True),
        ("bash/pytest -q", call("bash", "pytest --co"), False),
        ("bash/pytest", call("bash", "pytestx"), False),
        ("bash/pytest", call("bash", "pytest; rm -rf ."), False),
        ("bash/pytest", call("bash", "pytest $(id)"), False),
        ("bash/pytest", call("bash", "pytest\nid"), False),
        ("bash", call("bash", "a; b"), True),
        ("", call("bash", "ls"), False),
    ],
)
def test_an_allow_list_covers_a_tool_or_its_first_words(rules: str, asked: Call, allowed: bool) -> None:
    assert asking.is_allowed(asked, asking.rules(rules)) is allowed


def test_an_allow_list_with_an_unknown_tool_is_an_error() -> None:
    with pytest.raises(RequestError, match="there is no tool 'write'"):
        asking.rules("write/x")


def step(number: int, *, tool: str = "read_file", lines: int = 25, code: int = 0) -> Step:
    text = "".join(f"s{number}.{line} some words of a file\n" for line in range(lines))
    return Step(
        number=number,
        call=call(tool, f"a{number}.py"),
        result=Result(exit_code=code, stdout="" if code else text, stderr="broken here\n" if code else ""),
    )


def test_old_results_are_shortened_and_the_last_five_kept_whole() -> None:
    steps = [step(number) for number in range(1, 13)]
    built, left = asking.messages("why?", (), steps, told="", count=count, window=4096, answer_tokens=700)
    said = "\n".join(message.content for message in built)
    assert count(built) <= 4096 - 700 and left
    for number in range(8, 13):
        assert all(f"s{number}.{line} some words" in said for line in range(25))
    assert "s1.20 some" not in said and "Result 1: exit code 0" in said


def test_errors_and_commands_are_kept_longer_than_files() -> None:
    steps = [step(1, tool="bash"), step(2, code=2), *(step(number) for number in range(3, 11))]
    built, left = asking.messages("why?", (), steps, told="", count=count, window=4096, answer_tokens=700)
    said = "\n".join(message.content for message in built)
    assert "broken here" in said and "s1.20 some" in said and "step 3" in left


def test_notes_go_before_what_is_whole_and_nothing_exceeds_the_window() -> None:
    notes = [Note(title=f"n{at}", text="word " * 200, priority=at) for at in range(4)]
    steps = [step(number) for number in range(1, 41)]
    for window in (2048, 3000, 4096, 8192):
        built, _ = asking.messages(
            "why?", notes, steps, told="again", count=count, window=window, answer_tokens=500
        )
        assert count(built) <= window - 500 and "again" in built[-1].content
    with pytest.raises(RequestError, match="the question takes"):
        asking.messages("w " * 3000, (), (), told="", count=count, window=1024, answer_tokens=200)


def test_a_result_is_capped_with_its_beginning_its_end_and_the_first_of_its_errors() -> None:
    out = "".join(f"line {number}\n" for number in range(5000))
    small = asking.capped(Result(exit_code=1, stdout=out, stderr=out), 400, estimate)
    assert estimate(small.stdout) + estimate(small.stderr) < 520
    assert (
        small.stdout.startswith("line 0\n") and small.stdout.endswith("line 4999\n") and "left out" in small.stdout
    )
    assert small.stderr.startswith("line 0\n") and "more lines left out" in small.stderr
    endless = asking.capped(Result(exit_code=0, stdout="x1" * 50_000, stderr="y" * 9_000), 300, estimate)
    assert estimate(endless.stdout) < 400 and len(endless.stderr) < 1000


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("It is in a.py.", True),
        ("The command failed, but a.py shows it.", False),
        ("bash is not found there", False),
    ],
)
def test_an_answer_after_an_error_has_to_speak_of_it(text: str, ignored: bool) -> None:
    failed = step(1, tool="bash", code=127)
    assert bool(asking.passed_over(Answer(text=text), [failed])) is ignored
    assert not asking.passed_over(Answer(text=text), [step(1)])
    assert not asking.passed_over(Answer(text=text, about_error="no matter"), [failed])


@pytest.mark.parametrize(("thought", "ignored"), [("hm", True), ("there is no such file", False)])
def test_an_error_is_not_dealt_with_by_thinking_of_something_else(thought: str, ignored: bool) -> None:
    noted = Call(tool="think", arguments={"text": thought})
    steps = [step(1, code=2), Step(number=2, call=noted, result=Result(exit_code=0, stdout="noted"))]
    told = asking.passed_over(Answer(text="Three."), steps)
    assert told == ("read_file a1.py: exit code 2: broken here" if ignored else "")
