"""Candidates tried by giving live functions new code, and when that is not believed."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.proving import try_candidates
from gitagent.records import SandboxLimits
from tests.adapters.sandboxing import tree
from tests.proofs import candidate, command_of, lean_python
from tests.test_trying import ADD, CALC, RED, adding, tried

SHOP = {
    "shop.py": "import functools\n\nRATE = 2\n\n\ndef rounded(function):\n    @functools.wraps(function)\n"
    "    def inner(*words):\n        return round(function(*words), 2)\n    return inner\n\n\n"
    "class Till:\n    def __init__(self):\n        self.__sum = 0\n\n    @rounded\n    def add(self, price):\n"
    "        self.__sum += price - 1\n        return self.__sum\n\n    @property\n    def total(self):\n"
    "        def inside():\n            return self.__sum * RATE\n        return inside()\n",
    "test_shop.py": "import unittest\nfrom shop import Till\n\nclass TestTill(unittest.TestCase):\n"
    "    def test_add(self):\n        till = Till()\n        self.assertEqual(till.add(3), 3)\n"
    "        self.assertEqual(till.total, 6)\n",
}
TILL = ("test_shop.py::TestTill::test_add",)


def told(recorded: object, kind: str) -> bool:
    """Whether the script in the sandbox said something of this kind."""
    return any(f'["{kind}"' in output for output in recorded.outputs)  # type: ignore[attr-defined]


def shop(old: str, new: str) -> object:
    assert old in SHOP["shop.py"]
    return candidate({"shop.py": SHOP["shop.py"].replace(old, new)})


def test_methods_decorated_functions_and_private_names_are_tried_warm() -> None:
    edits = [
        shop("price - 1", "price + 1"),
        shop("self.__sum += price - 1", "self.__sum = price"),
        shop("            return self.__sum * RATE", "            return self.__sum"),
        shop("price - 1", "price"),
    ]
    trials, recorded = tried(SHOP, edits, red=TILL)  # type: ignore[arg-type]
    assert [trial.state for trial in trials] == ["failed", "passed", "failed", "passed"]
    assert "AssertionError: 4 != 3" in trials[0].reason
    assert told(recorded, "together") and not told(recorded, "cold")


def test_what_unittest_notes_on_its_own_classes_does_not_keep_candidates_apart() -> None:
    _, recorded = tried(SHOP, [shop("price - 1", "price + 1")], red=TILL)  # type: ignore[arg-type]
    assert any('"together": 64' in output for output in recorded.outputs)


def test_changes_outside_one_function_are_tried_in_a_process_of_their_own() -> None:
    files = {**SHOP, "shop.py": SHOP["shop.py"].replace("price - 1", "price").replace("RATE = 2", "RATE = 3")}
    text = files["shop.py"]
    edits = [text.replace("RATE = 3", "RATE = 1"), text.replace("RATE = 3", "RATE = 2")]
    edits.append(text.replace("RATE\n        return inside()", "2\n        return inside()"))
    trials, _ = tried(files, [candidate({"shop.py": edit}) for edit in edits], red=TILL)
    assert [trial.state for trial in trials] == ["failed", "passed", "passed"]


@pytest.mark.parametrize(
    "calc",
    [
        # What ran at import time has left its result behind.
        "def add(a, b):\n    return {0}\n\nSUMS = {{(2, 3): add(2, 3)}}\n\n"
        "def known(a, b):\n    return SUMS[a, b]\n",
        # Another process reads the file.
        "import subprocess, sys\n\ndef add(a, b):\n    return {0}\n\ndef known(a, b):\n"
        "    said = subprocess.check_output([sys.executable, '-c', 'import calc; print(calc.add(2, 3))'])\n"
        "    return int(said)\n",
        # The function lives on as a copy with code of its own.
        "import types\n\ndef add(a, b):\n    return {0}\n\nknown = types.FunctionType("
        "add.__code__.replace(co_name='known'), globals())\n",
        # A module that only the test imports.
        "def add(a, b):\n    return {0}\n\ndef known(a, b):\n    import calc\n    return calc.add(a, b)\n",
        # A thread does the work.
        "import threading\n\ndef add(a, b):\n    return {0}\n\ndef known(a, b):\n    out = []\n"
        "    thread = threading.Thread(target=lambda: out.append(add(a, b)))\n    thread.start()\n"
        "    thread.join()\n    return out[0]\n",
        # What was once computed is kept, in a cache and in a dictionary.
        "import functools\n\n@functools.lru_cache\ndef known(a, b):\n    return add(a, b)\n\n"
        "def add(a, b):\n    return {0}\n",
        "KEPT = {{}}\n\ndef known(a, b):\n    if (a, b) not in KEPT:\n        KEPT[a, b] = add(a, b)\n"
        "    return KEPT[a, b]\n\ndef add(a, b):\n    return {0}\n",
    ],
)
def test_what_a_warm_process_would_get_wrong_is_still_found(calc: str) -> None:
    files = {
        "calc.py": calc.format("a - b"),
        "test_calc.py": "import calc\n\ndef test_add():\n    assert calc.known(2, 3) == 5\n",
    }
    edits = [candidate({"calc.py": calc.format(body)}) for body in ("a * b", "b - a", "a + b", "a / b")]
    trials, _ = tried(files, edits)
    assert [trial.state for trial in trials] == ["failed", "failed", "passed", "failed"]


def test_a_candidate_that_breaks_those_beside_it_fails_alone() -> None:
    files = {
        "calc.py": "SEEN = []\n\ndef add(a, b):\n    return a - b + len(SEEN)\n",
        "test_calc.py": CALC["test_calc.py"],
    }
    bodies = ["SEEN.append(1) or 0", "a + b", "SEEN.append(2) or 1", "a + b + len(SEEN)"]
    edits = [candidate({"calc.py": files["calc.py"].replace("a - b + len(SEEN)", body)}) for body in bodies]
    trials, recorded = tried(files, edits)
    assert [trial.state for trial in trials] == ["failed", "passed", "failed", "passed"]
    assert told(recorded, "together")


def test_one_fork_each_says_the_same_as_many_in_one_fork() -> None:
    bodies = ["a * b", "1 / 0", "b", "a + b", "abs(-a) + b"]
    states = [[one.state for one in tried(CALC, adding(*bodies), together=number)[0]] for number in (0, 1, 64)]
    assert states[0] == states[1] == states[2] == ["failed", "failed", "failed", "passed", "passed"]


def test_a_candidate_that_hangs_costs_little_and_those_after_it_are_tried() -> None:
    loops = ["[1 for _ in iter(int, 1)]", "a + b"]
    trials, _ = tried(CALC, adding(*loops))
    assert [(trial.state, trial.hung) for trial in trials] == [("failed", True), ("passed", False)]
    assert trials[0].seconds < 5


def test_a_right_answer_that_takes_its_time_is_found_when_no_other_passes() -> None:
    body = "sum(1 for _ in range(2 * 10**7)) * 0 + a + b"
    states = [trial.state for trial in tried(CALC, adding("a * b", body, "b"))[0]]
    assert states.count("passed") == 1


def words(count: int) -> Sequence[str]:
    return [f"a + b + {number}" for number in range(1, count)]


def test_many_candidates_are_few_messages() -> None:
    trials, recorded = tried(CALC, adding(*words(140), "a + b"), red=RED, batch=500)
    assert [trial.state for trial in trials].count("passed") == 1 and trials[-1].state == "passed"
    assert len(recorded.argvs) == 2
    assert ADD.format("a - b") == CALC["calc.py"]


def test_an_environment_that_was_never_compiled_is_compiled_once(tmp_path: Path) -> None:
    compiled = Path(lean_python(copied=True)).parent.parent
    bare = tmp_path / "bare"
    shutil.copytree(compiled, bare, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    with UnsandboxedSandbox(str(bare / "bin" / "python3")).open(tree(dict(CALC)), SandboxLimits()) as opened:
        trials = try_candidates(
            opened, command_of(CALC), red=RED, candidates=adding("a * b", "a + b"), originals=CALC.get
        )
        assert [trial.state for trial in trials] == ["failed", "passed"]
        kept = opened.run(
            ["sh", "-c", 'find "$TMPDIR" -path "*gitagent-bytecode*_pytest/main*"'], timeout_seconds=20
        )
    assert kept.output.count("\n") == 1
    assert not list(bare.rglob("__pycache__"))
