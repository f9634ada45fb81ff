import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import microtasks
from gitagent.core.microtasks import TooLargeError, estimate, prompt, redact, segment, split
from gitagent.core.microtasks.outlines import (
    enclosing,
    imported_from,
    lines_of,
    named,
    outline,
    signatures,
)
from gitagent.errors import RequestError
from gitagent.records import Message, MicroTask, Note, Suspect

SAMPLES = Path(__file__).parent.parent / "samples"
TOKENS = json.loads((SAMPLES / "tokens.json").read_text())

BASKET = '''"""Baskets."""

from shop.prices import price_of

RATE = 19


class Basket:
    """What somebody wants to buy."""

    def __init__(self, customer):
        self.customer = customer
        self.items = []

    @property
    def empty(self):
        return not self.items

    def total(self):
        total = 0
        for item in self.items[1:]:
            total += price_of(item)

            if item.rebate:
                total -= rounded(item.rebate)
        return total


async def rounded(value):
    def half(number):
        return number / 2

    return half(value)
'''


def words(text: str) -> int:
    return len(text.split())


def count(messages: Sequence[Message]) -> int:
    return sum(estimate(message.content) + 4 for message in messages)


def task(**fields: object) -> MicroTask:
    given = {
        "id": "t1",
        "path": "shop/basket.py",
        "first_line": 18,
        "excerpt": "".join(lines_of(BASKET)[17:25]),
        "instruction": "Count the first item too.",
        "answer_tokens": 200,
    }
    return MicroTask(**(given | fields))  # type: ignore[arg-type]


# -- counting


@pytest.mark.parametrize("sample", TOKENS, ids=[sample["name"] for sample in TOKENS])
def test_the_estimate_is_no_less_than_the_worst_of_ten_vocabularies_made_of_it(sample: dict[str, object]) -> None:
    text = str(sample["text"])
    assert estimate(text) >= int(str(sample["most"]))
    # Cut anywhere, a text takes no less than before.
    pieces = [text[at : at + 37] for at in range(0, len(text), 37)]
    assert sum(estimate(piece) for piece in pieces) >= int(str(sample["most"]))


def test_the_estimate_of_code_is_less_than_twice_what_a_code_model_takes() -> None:
    python = next(sample for sample in TOKENS if sample["name"] == "python")
    assert estimate(python["text"]) < 1.4 * python["most"]


@settings(max_examples=150)
@given(
    st.text(st.characters(codec="utf-8"), max_size=80),
    st.text(max_size=40).filter(lambda text: text.isprintable()),
)
def test_the_estimate_is_never_more_than_the_proven_bound_and_grows_with_the_text(one: str, other: str) -> None:
    assert 0 <= estimate(one) <= len(one.encode()) + 1
    assert estimate(one + "\n" + other) >= estimate(one)


def test_bytes_that_were_no_utf_8_are_counted_too() -> None:
    assert estimate("\udcff" * 10) == 11
    assert estimate("") == 0


# -- outlines


def test_python_is_outlined_by_its_functions_and_classes() -> None:
    spans = [(span.name, span.first_line, span.last_line) for span in outline("shop/basket.py", BASKET)]
    assert spans == [
        ("Basket", 8, 26),
        ("Basket.__init__", 11, 13),
        ("Basket.empty", 15, 17),
        ("Basket.total", 19, 26),
        ("rounded", 29, 33),
        ("rounded.half", 30, 31),
    ]


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        (
            "a.go",
            "package a\n\nfunc (s *S) Run(x int) error {\n\tif x > 1 {\n\t\treturn nil\n\t} else {\n\t\tfoo()\n"
            "\t}\n\treturn nil\n}\n\ntype T struct {\n\ta int\n}\n",
            [("Run", 3, 10), ("T", 12, 14)],
        ),
        (
            "a.js",
            "const f = async (a) => {\n  return a;\n};\n\nfunction g(b)\n{\n  if (b) {\n    return 1;\n  }\n}\n\n"
            "class A extends B {\n  m(x) {\n    return x;\n  }\n}\n",
            [("f", 1, 3), ("g", 5, 10), ("A", 12, 16), ("A.m", 13, 15)],
        ),
        (
            "a.rs",
            "impl Foo {\n    fn bar(&self) -> u8 {\n        1\n    }\n}\n",
            [("Foo", 1, 5), ("Foo.bar", 2, 4)],
        ),
        ("a.rb", "class Foo\n  def bar(x)\n    x\n  end\nend\n", [("Foo", 1, 5), ("Foo.bar", 2, 4)]),
        ("broken.py", "def f(:\n    return (\n\nclass C:\n    x = 1\n", [("f", 1, 2), ("C", 4, 5)]),
        ("old.py", "def f():\r    pass\rdef g():\n    pass\n", [("f", 1, 2)]),
        ("null.py", "def f():\n    return '\0'\n", [("f", 1, 2)]),
        ("notes.txt", "", []),
    ],
)
def test_other_texts_are_outlined_by_their_indentation(
    path: str, text: str, names: list[tuple[str, int, int]]
) -> None:
    assert [(span.name, span.first_line, span.last_line) for span in outline(path, text)] == names


def test_python_nested_too_deep_to_parse_is_outlined_all_the_same() -> None:
    assert outline("deep.py", "def f():\n    return " + "(" * 5000 + ")" * 5000 + "\n")[0].name == "f"


def test_the_innermost_span_comes_first_and_names_are_found_by_their_last_part() -> None:
    spans = outline("shop/basket.py", BASKET)
    assert [span.name for span in enclosing(spans, 31)] == ["rounded.half", "rounded"]
    assert enclosing(spans, 1) == ()
    for name in ("Basket.total", "total", "total()", "Basket::total"):
        span = named(spans, name)
        assert span is not None
        assert span.first_line == 19
    assert named(spans, "nothing") is None
    twice = outline("a.py", "class A:\n    def f(self): pass\nclass B:\n    def f(self): pass\n")
    assert named(twice, "f") is None


def test_the_headers_of_what_an_excerpt_calls_or_stands_in_are_found() -> None:
    excerpt = "".join(lines_of(BASKET)[18:26])
    assert signatures("shop/basket.py", BASKET, 19, excerpt) == ("class Basket:", "async def rounded(value):")
    long = "def f(\n" + "    a,\n" * 9 + "):\n    return 1\n\n\ndef g():\n    return f()\n"
    assert signatures("a.py", long, 14, "def g():\n    return f()\n")[0].endswith("\n...")


@pytest.mark.parametrize(
    ("path", "text", "paths"),
    [
        ("src/shop/a.py", "from shop.prices import (\n  price_of as p,\n  b)\n", "src/shop/prices.py"),
        ("src/shop/a.py", "from .prices import price_of  # here\n", "src/shop/prices.py"),
        ("src/shop/a.py", "from ..other import price_of\n", "src/other.py"),
        ("src/shop/a.py", "from . import price_of\n", "src/shop/__init__.py"),
    ],
)
def test_imported_names_are_looked_for_where_they_may_be_defined(path: str, text: str, paths: str) -> None:
    assert paths in imported_from(path, text, ["price_of"])["price_of"]


def test_names_imported_from_outside_the_repository_lead_nowhere() -> None:
    assert imported_from("a.py", "from .... import price_of\n", ["price_of"]) == {"price_of": ()}
    assert imported_from("a.js", "from x import price_of\n", ["price_of"]) == {}
    assert imported_from("a.py", "from x import other\n", ["price_of"]) == {}


# -- excerpts


def test_a_file_that_fits_is_its_own_excerpt() -> None:
    assert segment("a.py", BASKET, lines=[20], count=words, room=1000) == (1, BASKET)
    assert segment("a.py", "", lines=[], count=words, room=10) == (1, "")


def test_an_excerpt_is_the_function_around_the_wanted_lines() -> None:
    first, excerpt = segment("a.py", BASKET, lines=[21, 20], count=words, room=60, enough=5)
    assert first == 19
    assert excerpt.startswith("    def total(self):\n")
    assert excerpt.endswith("        return total\n")


def test_a_function_grows_to_its_class_where_that_is_small_enough_too() -> None:
    first, excerpt = segment("a.py", BASKET, lines=[21], count=words, room=60, enough=50)
    assert first == 8
    assert excerpt.startswith("class Basket:")


def test_wanted_lines_too_far_apart_are_given_up_from_the_back() -> None:
    first, _ = segment("a.py", BASKET, lines=[16, 32], count=words, room=40, enough=5)
    assert first == 15


def test_lines_outside_every_function_come_with_their_neighbours() -> None:
    assert segment("a.py", BASKET, lines=[5], count=words, room=40, enough=5) == (1, "".join(lines_of(BASKET)[:7]))


def test_a_function_that_is_too_long_is_cut_around_the_most_wanted_line() -> None:
    text = "def f():\n" + "".join(f"    x{number} = {number}\n" for number in range(500))
    first, excerpt = segment("a.py", text, lines=[250], count=words, room=31)
    own = lines_of(excerpt)
    assert len(own) == 9
    assert own[250 - first] == "    x248 = 248\n"
    # At the end of the function the run goes on further back.
    first, excerpt = segment("a.py", text, lines=[501], count=words, room=31)
    assert excerpt.endswith("x499 = 499\n")
    assert words(excerpt) <= 31


def test_a_line_too_long_for_the_window_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match=r"a\.py:2: this line alone takes 901 tokens, and 31 are left"):
        segment("a.py", "x = 1\n" + "a " * 901 + "\n", lines=[2], count=words, room=31)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["def f():\n", "    x = 1\n", "\n", "class C:\n", "    def g(self):\n", "        y\n"])
    ),
    st.lists(st.integers(-3, 60), max_size=4),
    st.integers(8, 80),
)
def test_an_excerpt_is_a_run_of_whole_lines_that_fits(parts: list[str], wanted: list[int], room: int) -> None:
    text = "".join(parts)
    first, excerpt = segment("a.py", text, lines=wanted, count=words, room=room)
    own = lines_of(text)
    assert "".join(own[first - 1 : first - 1 + len(lines_of(excerpt))]) == excerpt
    assert words(excerpt) <= room
    if wanted and text:
        best = min(max(wanted[0], 1), len(own))
        assert first <= best < first + len(lines_of(excerpt))


# -- prompts


def test_a_prompt_holds_the_task_the_excerpt_with_its_place_and_the_rules() -> None:
    built = prompt(task(), count=count, window=4096)
    system, user = built.messages
    assert "unified diff" in system.content
    assert "data" in system.content
    assert user.content.startswith("Task: Count the first item too.\n\nshop/basket.py, from `@@ -18,8 @@`:\n```\n")
    assert built.prompt_tokens == count(built.messages)
    assert built.answer_tokens == 200
    assert built.left_out == ()
    assert len(built.digest) == 64


def test_the_rules_cost_little() -> None:
    assert estimate(microtasks.SYSTEM) < 150


def test_a_file_to_be_made_is_asked_for_as_one() -> None:
    built = prompt(task(excerpt="", path="shop/new.py"), count=count, window=4096)
    assert "shop/new.py does not exist yet: begin with `--- /dev/null`" in built.messages[1].content


def test_notes_go_in_by_priority_and_whole_and_what_is_left_out_is_named() -> None:
    notes = (
        Note(title="Neighbours", text="x = 1\n" * 20, priority=5),
        Note(title="Everything", text="word " * 3000, priority=2),
        Note(title="Assertion", text="assert 0 == 1", priority=1),
        Note(title="Shown already", text="    def total(self):", priority=1),
        Note(title="Nothing", text=" \n", priority=1),
    )
    built = prompt(task(notes=notes), count=count, window=4096)
    said = built.messages[1].content
    assert said.index("Assertion:") < said.index("Neighbours:")
    assert "word word" not in said
    assert "Shown already" not in said
    assert "Nothing:" not in said
    assert built.left_out == ("Everything",)
    assert prompt(task(notes=notes[2:3]), count=count, window=4096).left_out == ()


def test_a_prompt_that_does_not_fit_with_its_answer_is_refused_before_it_is_sent() -> None:
    small = prompt(task(), count=count, window=4096)
    window = small.prompt_tokens + 200
    assert prompt(task(), count=count, window=window).digest == small.digest
    with pytest.raises(TooLargeError, match=f"the window has {window - 1}. Nothing was sent") as caught:
        prompt(task(), count=count, window=window - 1)
    assert "18-25" in str(caught.value)
    assert caught.value.hint


def test_a_question_asked_again_leaves_more_room_for_the_answer() -> None:
    again = task().retried_after("the answer was cut off")
    assert prompt(again, count=count, window=4096).answer_tokens == 400
    assert (
        "Refused last time: the answer was cut off" in prompt(again, count=count, window=4096).messages[1].content
    )
    tokens = prompt(again, count=count, window=4096).prompt_tokens
    assert prompt(again, count=count, window=tokens + 250).answer_tokens == 250


def test_a_fence_cannot_be_closed_by_what_it_holds() -> None:
    built = prompt(task(excerpt="x = '''\n````\n'''\n"), count=count, window=4096)
    assert "`````\nx = '''\n````\n'''\n`````" in built.messages[1].content


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(max_size=200), st.integers(1, 9)), max_size=6), st.integers(300, 1200))
def test_every_prompt_fits_its_window(notes: list[tuple[str, int]], window: int) -> None:
    carrying = task(notes=tuple(Note(title=f"n{at}", text=text, priority=p) for at, (text, p) in enumerate(notes)))
    try:
        built = prompt(carrying, count=count, window=window)
    except TooLargeError:
        assert prompt(task(), count=count, window=4096).prompt_tokens + 200 > window
        return
    assert built.prompt_tokens + built.answer_tokens <= window


# -- splitting


def test_a_task_is_split_where_the_indentation_is_least() -> None:
    whole = task(first_line=1, excerpt=BASKET)
    first, second = split(whole)
    assert first.excerpt + second.excerpt == BASKET
    assert second.excerpt.startswith("class Basket:") or second.excerpt.startswith("    def total")
    assert (first.id, second.id) == ("t1.1", "t1.2")
    assert second.first_line == 1 + len(lines_of(first.excerpt))


def test_only_halves_with_suspects_are_kept() -> None:
    suspect = Suspect(path="shop/basket.py", line=32, score=1.0, reason="ran")
    (only,) = split(task(first_line=1, excerpt=BASKET, suspects=(suspect,)))
    assert only.id == "t1.2"
    assert only.suspects == (suspect,)


@pytest.mark.parametrize("excerpt", ["", "x = 1", "x = 1\n"])
def test_a_single_line_is_not_split(excerpt: str) -> None:
    with pytest.raises(TooLargeError, match="line 18 cannot be split"):
        split(task(excerpt=excerpt))


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["a\n", "  b\n", "\n", "    c\n"]), min_size=2, max_size=30))
def test_halves_join_back_into_the_excerpt(parts: list[str]) -> None:
    halves = split(task(excerpt="".join(parts)))
    assert "".join(half.excerpt for half in halves) == "".join(parts)
    assert all(half.excerpt for half in halves)


# -- secrets

KEY_BLOCK = """-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAx1
abcdEFGHijkl==
-----END RSA PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2" * 8,
        "sk-" + "a1B2" * 10,
        "sk-proj-" + "a1-_" * 10,
        "sk-ant-api03-" + "a1B2" * 10,
        "xoxb-1234567890-abcdef",
        "glpat-" + "a1B2" * 5,
        "AIza" + "a1B2c" * 7,
        "hf_" + "a1B2" * 9,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijklmnop",
    ],
)
def test_a_token_is_taken_out_and_put_back(secret: str) -> None:
    text = f'TOKEN = "{secret}"\nAGAIN = "{secret}"\n'
    clean = redact(text)
    assert secret not in clean.text
    assert clean.text == 'TOKEN = "[secret 1]"\nAGAIN = "[secret 1]"\n'
    assert clean.restored(clean.text) == text
    assert secret not in repr(clean)


def test_values_named_as_secrets_are_taken_out() -> None:
    value = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    for text in (
        f"aws_secret_access_key = {value}",
        f'AWS_SECRET_ACCESS_KEY: "{value}"',
        "postgres://bob:hunter2@db/x",
        '"Authorization": "Bearer abcdefghijklmnop1234"',
    ):
        clean = redact(text)
        assert "[secret 1]" in clean.text
        assert clean.restored(clean.text) == text


def test_a_private_key_keeps_its_lines_and_loses_its_words() -> None:
    clean = redact(f"a\n{KEY_BLOCK}b\n")
    assert "MIIE" not in clean.text
    assert "abcdEFGH" not in clean.text
    assert clean.text.count("\n") == KEY_BLOCK.count("\n") + 2
    assert clean.restored(clean.text) == f"a\n{KEY_BLOCK}b\n"
    assert "MIIE" not in redact(KEY_BLOCK[:60]).text


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn and task-force-management",
        "f'postgres://{user}:{password}@host'",
        "https://example.org:8080/a@b",
        "ghp_short",
        "def skip(x): return x",
        "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text).text == text


def test_bytes_that_are_no_text_are_kept_from_the_model_and_put_back() -> None:
    text = "name = '\udce9\udce8' # \udcff\n"
    clean = redact(text)
    assert clean.text == "name = '[bytes 1]' # [bytes 2]\n"
    assert clean.restored(clean.text) == text


def test_a_placeholder_is_never_a_word_of_the_text() -> None:
    text = "[secret 1] ghp_" + "a1B2" * 9
    clean = redact(text)
    assert clean.text == "[secret 1] [secret 2]"
    assert clean.restored(clean.text) == text


def test_a_prompt_holds_no_secret_and_its_reply_gets_it_back() -> None:
    key = "sk-" + "a1B2" * 10
    built = prompt(task(excerpt=f'KEY = "{key}"\nx = 1\n'), count=count, window=4096)
    assert all(key not in message.content for message in built.messages)
    assert built.restored(' KEY = "[secret 1]"\n') == f' KEY = "{key}"\n'
