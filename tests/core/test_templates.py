import ast
import warnings
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.templates import FAMILIES, Repair, repairs
from gitagent.core.templates.source import Source
from gitagent.records import Suspect


def all_of(text: str, *, lines: Sequence[int] = (), hints: Sequence[str] = (), most: int = 5000) -> list[Repair]:
    suspects = [Suspect(path="m.py", line=line, score=0.9, reason="") for line in lines]
    found = repairs(text, suspects, first_line=1, last_line=text.count("\n") + 1, hints=hints)
    return list(islice(found, most))


# One bug for each family: (family, before, after). Each is written for the family, as the literature describes it.
BUGS = [
    ("comparison operator", "if a < b:\n    f()\n", "if a <= b:\n    f()\n"),
    ("comparison operator", "x = a is b\n", "x = a == b\n"),
    ("comparison operator", "x = a in b\n", "x = a not in b\n"),
    ("boolean connective", "x = a and b\n", "x = a or b\n"),
    ("arithmetic operator", "x = a + b\n", "x = a - b\n"),
    ("arithmetic operator", "x = -a\n", "x = a\n"),
    ("assignment operator", "for i in y:\n    x = i\n", "for i in y:\n    x += i\n"),
    ("assignment operator", "x += i\n", "x = i\n"),
    ("swapped operands or arguments", "x = a - (b + c)\n", "x = (b + c) - a\n"),
    ("swapped operands or arguments", "f(a, b)\n", "f(b, a)\n"),
    ("swapped operands or arguments", "x = a if c else b\n", "x = b if c else a\n"),
    ("negated condition", "if a:\n    f()\n", "if not a:\n    f()\n"),
    ("negated condition", "while not a():\n    f()\n", "while a():\n    f()\n"),
    ("off by one", "x = y[i]\n", "x = y[i - 1]\n"),
    ("off by one", "for i in range(n - 1):\n    f()\n", "for i in range(n):\n    f()\n"),
    ("off by one", "x = y[1:]\n", "x = y[:]\n"),
    ("off by one", "x = y[-1]\n", "x = y[-2]\n"),
    ("constant", "x = 7\n", "x = 8\n"),
    ("constant", "x = True\n", "x = False\n"),
    ("constant", "x = None\n", 'x = ""\n'),
    ("constant", "x = []\n", "x = ()\n"),
    ("constant", "x = 0.5\n", "x = 5.0\n"),
    ("string constant", 'x = ","\n', 'x = ", "\n'),
    ("string constant", "x = 'Abc'\n", "x = 'abc'\n"),
    ("string constant", 'f"{x}"\ny = f"{x}"\n', 'f"{x}"\ny = f"{x!r}"\n'),
    ("regular expression", 'x = re.compile(r"[a-z]+")\n', 'x = re.compile(r"[a-z]*")\n'),
    ("regular expression", 'x = re.compile(r"[a-z]+")\n', 'x = re.compile(r"[a-z]+", re.IGNORECASE)\n'),
    ("conversion", "f(x)\n", "f(str(x))\n"),
    ("conversion", "y = int(x)\n", "y = x\n"),
    ("copied collection", "for k in d:\n    d.pop(k)\n", "for k in list(d):\n    d.pop(k)\n"),
    ("copied collection", "import copy\nx = y\n", "import copy\nx = copy.copy(y)\n"),
    ("wrong variable", "def f(a, b):\n    return a + a\n", "def f(a, b):\n    return a + b\n"),
    ("wrong attribute", "class C:\n    def f(self):\n        self.one = 1\n        return self.two\n",
     "class C:\n    def f(self):\n        self.one = 1\n        return self.one\n"),
    ("returned value", "def f(a):\n    return 1\n", "def f(a):\n    return a\n"),
    ("returned value", "def f(a):\n    return\n", "def f(a):\n    return None\n"),
    ("borrowed expression", "def f(a):\n    g(a.b)\n    x = a\n", "def f(a):\n    g(a.b)\n    x = a.b\n"),
    ("wrong call", "x = s.startswith(y)\n", "x = s.endswith(y)\n"),
    ("wrong call", "x = left(y)\nz = lift(y)\n", "x = left(y)\nz = left(y)\n"),
    ("method added or dropped", "x = s.lower()\n", "x = s\n"),
    ("method added or dropped", "x = f(s)\n", "x = f(s.strip())\n"),
    ("argument added or dropped", "x = f(a, b)\n", "x = f(a)\n"),
    ("argument added or dropped", "def g(c):\n    x = f(1)\n", "def g(c):\n    x = f(1, c)\n"),
    ("keyword argument", "x = sorted(a)\n", "x = sorted(a, reverse=True)\n"),
    ("keyword argument", "f(a, deep=True)\nf(b)\n", "f(a, deep=True)\nf(b, deep=True)\n"),
    ("lookup with a default", "x = d[k]\n", "x = d.get(k)\n"),
    ("lookup with a default", "x = d.get(k)\n", "x = d.get(k, 0)\n"),
    ("lookup with a default", "x = next(i)\n", "x = next(i, None)\n"),
    ("await or yield", "async def f():\n    g()\n", "async def f():\n    await g()\n"),
    ("await or yield", "def f():\n    yield g()\n", "def f():\n    yield from g()\n"),
    ("inherited method", "class C(B):\n    def __init__(self, a):\n        self.a = a\n",
     "class C(B):\n    def __init__(self, a):\n        super().__init__(a)\n        self.a = a\n"),
    ("dropped condition", "if a and b:\n    f()\n", "if b:\n    f()\n"),
    ("dropped condition", "x = a if b else c\n", "x = c\n"),
    ("added condition", "def f(a, b):\n    if a:\n        g(b)\n",
     "def f(a, b):\n    if a and b:\n        g(b)\n"),
    ("early way out", "def f(a):\n    return a.b\n",
     "def f(a):\n    if a is None:\n        return None\n    return a.b\n"),
    ("early way out", "def f(a):\n    for b in a:\n        g(b)\n",
     "def f(a):\n    for b in a:\n        if not b:\n            continue\n        g(b)\n"),
    ("statement under a condition", "def f(a):\n    g(a)\n", "def f(a):\n    if a is not None:\n        g(a)\n"),
    ("statement under a condition", "if a:\n    f()\n", "f()\n"),
    ("None or empty", "if a:\n    f()\n", "if a is not None:\n    f()\n"),
    ("None or empty", "x = a or b\n", "x = a if a is not None else b\n"),
    ("type asked for", "x = isinstance(a, list)\n", "x = isinstance(a, (list, tuple))\n"),
    ("branch", "if a:\n    f()\nif b:\n    g()\n", "if a:\n    f()\nelif b:\n    g()\n"),
    ("branch", "if a:\n    f()\ng()\n", "if a:\n    f()\nelse:\n    g()\n"),
    ("removed statement", "f()\ng()\n", "g()\n"),
    ("removed statement", "def f():\n    g()\n", "def f():\n    pass\n"),
    ("moved statement", "f()\ng()\n", "g()\nf()\n"),
    ("moved statement", "for i in y:\n    f()\n    g()\n", "for i in y:\n    f()\ng()\n"),
    ("borrowed statement", "def f(a):\n    a.start()\ndef g(a):\n    return a.b\n",
     "def f(a):\n    a.start()\ndef g(a):\n    a.start()\n    return a.b\n"),
    ("exception type", "try:\n    f()\nexcept KeyError:\n    g()\n",
     "try:\n    f()\nexcept (KeyError, IndexError):\n    g()\n"),
    ("exception type", "raise KeyError(x)\n", "raise ValueError(x)\n"),
    ("tried statement", "def f(a):\n    x = a[0]\n",
     "def f(a):\n    try:\n        x = a[0]\n    except IndexError:\n        x = None\n"),
    ("loop control", "def f():\n    for i in y:\n        break\n",
     "def f():\n    for i in y:\n        continue\n"),
    ("loop control", "if a:\n    f()\n", "while a:\n    f()\n"),
    ("missing result", "def f(a):\n    g(a)\n", "def f(a):\n    return g(a)\n"),
    ("missing result", "def f(a):\n    a.b = 1\n",
     "def f(a):\n    a.b = 1\n    return a\n"),
    ("parameter default", "def f(a=[]):\n    g(a)\n",
     "def f(a=None):\n    if a is None:\n        a = []\n    g(a)\n"),
    ("parameter default", "def f(a, b):\n    g(a)\n", "def f(a, b=None):\n    g(a)\n"),
    ("first value", "def f(a):\n    g(a)\n", "def f(a):\n    if a is None:\n        a = []\n    g(a)\n"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "before", "after"), BUGS, ids=[f"{bug[0]}: {bug[1].strip()}" for bug in BUGS])
def test_a_family_mends_its_kind_of_bug(family: str, before: str, after: str) -> None:
    src = Source(before)
    edits = [edit for site in src.sites(1, before.count("\n") + 1) for edit in FAMILIES[family][0](src, site)]
    assert after in {before[: edit.start] + edit.new + before[edit.end :] for edit in edits}
    assert after in {repair.text for repair in all_of(before)}


def test_every_family_has_a_bug_it_mends() -> None:
    assert {family for family, _, _ in BUGS} == FAMILIES.keys()


@pytest.mark.parametrize("before", sorted({bug[1] for bug in BUGS}))
def test_every_text_parses_differs_and_comes_once(before: str) -> None:
    found = [repair.text for repair in all_of(before)]
    for text in found:
        ast.parse(text)
    assert len(set(found)) == len(found)
    assert before not in found


MODULE = '''"""A module that meets many families at once."""
import re


class Shop(dict):
    """Holds things."""

    limit = 10

    def __init__(self, name, things=[]):
        self.name = name  # näme, of the shop
        self.things = things

    @property
    def size(self):
        return len(self.things)

    def find(self, key, default=None):
        for at, thing in enumerate(self.things):
            if thing.key == key and at < self.limit:
                return thing
            elif thing is None:
                continue
        else:
            self.misses += 1
        try:
            number = int(key[1:])
        except (ValueError, TypeError):
            number = (1 +
                      2)  # three
        if number: return self.things[number - 1]
        text = f"{key} é {number}"; other = re.match(r"\\d+", text)
        return default if other else self.get(key, "a, b") or "none"
'''


def test_nothing_outside_an_edit_changes_whatever_ends_the_lines() -> None:
    for text in (MODULE, MODULE.replace("\n", "\r\n"), MODULE.rstrip("\n"), MODULE.replace("    ", "\t")):
        lines = text.count("\n") + 1
        for repair in islice(repairs(text, [], first_line=1, last_line=lines), 600):
            ast.parse(repair.text)
            assert repair.text.count("\r") == (repair.text.count("\n") if "\r" in text else 0)
            changed = text[: text.index("class Shop")]
            assert repair.text.startswith(changed) or repair.line <= 4


def test_every_candidate_of_every_family_compiles_differs_and_comes_once() -> None:
    last, found = MODULE.count("\n") + 1, set()
    for repair in islice(repairs(MODULE, [], first_line=1, last_line=last), 1500):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `number is 1` is an odd idea, not a wrong one
            compile(repair.text, "m.py", "exec")
        found.add(repair.text)
    assert len(found) == 1500
    assert MODULE not in found


def test_two_edits_at_once_come_after_the_single_ones() -> None:
    text = "def f(a, b):\n    x = a < b\n    y = a > b\n    return x == y\n"
    found = all_of(text, most=3000)
    both = [one for one in found if one.pattern.startswith("two edits")]
    wanted = text.replace("<", "<=").replace("a > b", "a >= b")
    assert wanted in {one.text for one in both}
    assert found.index(both[0]) > 300
    assert sorted(found, key=lambda one: -one.score) == found


def test_what_a_failure_says_a_type_lacks_becomes_what_it_has() -> None:
    text = "def f(s):\n    return s.parse('x')\n"
    new = text.replace("parse", "rfind")

    def place(hints: Sequence[str]) -> int:
        return [*(one.text for one in all_of(text, hints=hints)), new].index(new)

    assert place(["E   AttributeError: 'str' object has no attribute 'parse'"]) < min(place([]), 80)
    own = "class C:\n    def g(self):\n        return 1\n\ndef f(c):\n    return c.h()\n"
    assert own.replace("c.h()", "c.g()") in {
        one.text for one in all_of(own, hints=["E   AttributeError: 'C' object has no attribute 'h'"])
    }


def test_what_the_file_has_elsewhere_comes_first() -> None:
    lines = "".join(f"def f{n}(a):\n    return a.width * a.height\n" for n in range(5))
    text = f"{lines}def g(a):\n    return a.width * a.width\n"
    new = text.replace("a.width * a.width", "a.width * a.height")

    def place(natural: bool) -> int:
        found = repairs(text, [], first_line=12, last_line=12, natural=natural)
        return [one.text for one in found].index(new)

    assert place(True) < place(False)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("def g(a, b, c):\n    pass\n\ndef f(a, b, c):\n    g(a, c)\n", "g(a, b, c)"),
        ("class C:\n    def f(self, a, b):\n        self.a = a\n        pass\n", "self.b = b"),
        ("def f(a, form):\n    if callable(form):\n        return None\n    return a\n", "return form(a)"),
        ("def f(a):\n    g(x, a)\n    return a.b\n", "x = a.b"),
        ("def g(sep=','):\n    pass\n\ndef f(sep=None):\n    pass\n", "f(sep=',')"),
    ],
)
def test_what_is_missing_is_made_of_what_is_there(text: str, new: str) -> None:
    assert any(new in one.text for one in all_of(text, most=3000))


def test_only_lines_within_the_range_change() -> None:
    old = MODULE.split("\n")
    for repair in repairs(MODULE, [], first_line=19, last_line=23):
        new = repair.text.split("\n")
        assert new[:18] == old[:18]
        assert new[len(new) - len(old) + 23 :] == old[23:]


def test_the_most_suspicious_line_comes_first_and_the_others_soon() -> None:
    text = "def f(a, b):\n    x = a < b\n    y = a > b\n    return x == y\n"
    suspects = [
        Suspect(path="m.py", line=3, score=0.9, reason=""),
        Suspect(path="m.py", line=2, score=0.5, reason=""),
    ]
    found = list(repairs(text, suspects, first_line=1, last_line=4))
    assert found[0].line == 3
    assert found[0].score >= found[10].score
    assert 2 in {repair.line for repair in found[:40]}
    assert 4 in {repair.line for repair in found[:400]}


def test_the_kind_of_failure_brings_fitting_families_forward() -> None:
    text = "def f(d, k):\n    x = d[k]\n    return x\n"

    def place(hints: Sequence[str]) -> int:
        return [repair.pattern for repair in all_of(text, lines=[2], hints=hints)].index("lookup with a default")

    assert place(["E   KeyError: 'k'"]) < place([])
    assert place(["E   KeyError: 'k'\nassert IndexError"]) < place([])


def test_names_in_the_failure_bring_edits_with_them_forward() -> None:
    text = "def f(size, length, depth):\n    return size\n"

    def place(hints: Sequence[str]) -> int:
        texts = [repair.text for repair in all_of(text, lines=[2], hints=hints)]
        return texts.index(text.replace("return size", "return depth"))

    assert place(["the depth is wrong"]) <= place([])


@pytest.mark.parametrize(
    "text", ["def f(:\n", "x = '\udcff'\n", "x = 1\ry = 2\n", "x = '\0'\n", "", "# only words\n", "(" * 3000]
)
def test_what_is_no_python_yields_nothing(text: str) -> None:
    assert all_of(text) == []


def test_a_byte_order_mark_stays() -> None:
    found = all_of("\ufeffx = 1\n")
    assert found
    assert all(repair.text.startswith("\ufeff") for repair in found)


def test_odd_escapes_warn_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all_of("import re\nx = re.match('\\d', y)\n")


def test_it_is_lazy() -> None:
    text = "def f(a, b):\n" + "    a = a + b * (a - b) < a[b]\n" * 2000
    first = next(
        repairs(text, [Suspect(path="m.py", line=1500, score=1.0, reason="")], first_line=1, last_line=2001)
    )
    assert first.line == 1500


_NAMES = st.sampled_from(["a", "b", "self.c", "f(a)", "d[k]", "x[1:]", "None", "0", "'s'", "[]"])


@st.composite
def _expressions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(_NAMES)
    one, two = draw(_expressions(depth=depth - 1)), draw(_expressions(depth=depth - 1))
    form = draw(
        st.sampled_from(
            ["{} + {}", "({} - {})", "{} < {}", "{} and {}", "not ({} or {})", "g({}, k={})", "{} if c else {}",
             "[{} for i in {}]", "({}, {})", "lambda: ({}, {})", "f'{{a}}' + str({}) + {}", "({} or\n      {})"]
        )
    )  # fmt: skip
    return form.format(one, two)


@settings(max_examples=25, deadline=None)
@given(st.lists(_expressions(), min_size=1, max_size=3), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_the_expressions_every_text_parses(parts: list[str], newline: str, ends: bool) -> None:
    forms = (
        "if {0}:\n        x = {1}\n    elif {1}: y = {0}",
        "return {0}",
        "for i in {0}:\n        i += {1}",
        "x = {0}; h({1})",
    )
    body = "".join(f"    {forms[n % 4].format(part, parts[0])}\n" for n, part in enumerate(parts))
    text = f"class C:\n  def m(self, a, b=0):\n{body}".replace("    ", "      ").replace("\n", newline)
    text = text if ends else text.removesuffix(newline)
    try:
        ast.parse(text)
    except SyntaxError:
        return
    for repair in islice(repairs(text, [], first_line=1, last_line=text.count("\n") + 1), 150):
        ast.parse(repair.text)


def test_numbers_that_would_do_nothing_are_not_offered() -> None:
    text = "def mean(rows):\n    return total(rows) / (len(rows) - 1)\n"
    new = [one.text.split("\n")[1].strip() for one in all_of(text)]
    assert "return total(rows) / (len(rows))" in new[:6]
    assert not {"return total(rows) / (len(rows) - 0)", "return total(rows) / (len(rows) / 1)"} & set(new)


def test_the_other_end_is_offered_before_the_second_place() -> None:
    new = [one.text.split("\n")[1].strip() for one in all_of("def newest(items):\n    return items.pop(0)\n")]
    assert new.index("return items.pop(-1)") < new.index("return items.pop(1)")
