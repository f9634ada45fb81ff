"""Candidates tried by real pytest, forked and one by one, in small real projects."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from gitagent.errors import DiffError
from gitagent.proving import try_candidates
from gitagent.records import Candidate
from gitagent.trying import Trial
from tests.proofs import Recorded, candidate, command_of, workspace

ADD = "def add(a, b):\n    return {0}\n"
CALC = {
    "calc.py": ADD.format("a - b"),
    "test_calc.py": "from calc import add\n\ndef test_add():\n    assert add(2, 3) == 5\n\n"
    "def test_zero():\n    assert add(0, 0) == 0\n",
}
RED = ("test_calc.py::test_add",)


def adding(*bodies: str) -> list[Candidate]:
    return [candidate({"calc.py": ADD.format(body)}) for body in bodies]


def tried(
    files: Mapping[str, str],
    candidates: Sequence[Candidate],
    *,
    red: Sequence[str] = RED,
    stop_after: int | None = None,
    batch: int = 64,
    together: int = 64,
    configured: str = "",
) -> tuple[list[Trial], Recorded]:
    """The trials, and what went through the workspace; the tree must be as it was afterwards."""
    with workspace(files) as recorded:
        trials = list(
            try_candidates(
                recorded,
                command_of(files, configured),
                red=red,
                candidates=candidates,
                originals=files.get,
                timeout_seconds=20.0,
                stop_after=stop_after,
                batch=batch,
                together=together,
            )
        )
        assert recorded.tree() == dict(files)
    return trials, recorded


def was_forked(recorded: Recorded) -> bool:
    return not recorded.written and all("-c" in argv for argv in recorded.argvs)


def test_the_right_candidate_is_found_among_wrong_ones_and_files_are_put_back() -> None:
    trials, recorded = tried(CALC, adding("a * b", "b - a", "a + b", "a / b"))
    assert [trial.state for trial in trials] == ["failed", "failed", "passed", "failed"]
    assert "assert 6 == 5" in trials[0].reason
    assert trials[0].failed == trials[1].failed == trials[2].passed == RED
    assert was_forked(recorded)


def test_trying_stops_once_enough_candidates_have_passed() -> None:
    trials, _ = tried(CALC, adding("a * a", "a + b", "b + a", "a * b"), stop_after=1)
    assert [trial.state for trial in trials] == ["failed", "passed"]


def test_candidates_that_do_not_compile_are_refused_by_line_without_a_run() -> None:
    trials, _ = tried(CALC, adding("(a +", "a \0 b", "a +\tb if"))
    assert {trial.state for trial in trials} == {"failed"}
    assert trials[0].reason.startswith("calc.py:2:")
    assert all(not trial.failed and not trial.passed for trial in trials)


def test_a_candidate_cannot_end_its_way_out_of_the_tests() -> None:
    trials, _ = tried(
        CALC,
        adding(
            "__import__('os')._exit(0)",
            "__import__('sys').exit(0)",
            "__import__('os').kill(__import__('os').getpid(), 9)",
            "[__import__('os').write(n, b'{\"exit\": 0}\\n') for n in range(3, 20) if n in fds()]",
            "__import__('pytest').skip('not today')",
            "a + b",
        ),
    )
    assert [trial.state for trial in trials] == ["failed"] * 5 + ["passed"]
    assert trials[0].reason == "ended (exit code 0) before its tests did"
    assert trials[2].reason == "ended by signal 9"


def test_a_candidate_that_hangs_is_stopped_with_its_processes_and_the_next_one_is_tried(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    words = ["sh", "-c", f"echo $$ > {marker}; exec sleep 600"]
    stray = f"__import__('subprocess').Popen({words}, start_new_session=True)"
    trials, _ = tried(CALC, adding(f"{stray}.wait()", "a + b"))
    assert [trial.state for trial in trials] == ["failed", "passed"]
    assert trials[0].reason.startswith("took more than")
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)


def test_old_bytecode_never_answers_for_a_candidate_of_the_same_size() -> None:
    bodies = [f"a {sign} b" for sign in "*/%-"] + ["a + b", "a & b", "a | b"]
    files = {**CALC, "calc.py": ADD.format("a ^ b")}
    trials, _ = tried(files, adding(*bodies), red=("test_calc.py",), batch=2)
    passing = [body for body, trial in zip(bodies, trials, strict=True) if trial.state == "passed"]
    assert passing == ["a + b"]


def test_a_candidate_may_make_and_remove_files() -> None:
    files = {
        **CALC,
        "old/__init__.py": "",
        "old/notes.py": "x = 1\n",
        "test_calc.py": "import os\n\ndef test_add():\n"
        "    assert os.path.exists('new/deep/data.txt') and not os.path.exists('old/notes.py')\n",
    }
    both: dict[str, str | None] = {"new/deep/data.txt": "x\udcff\n", "old/notes.py": None}
    trials, _ = tried(files, [candidate({"new/deep/data.txt": "x\n"}), candidate(both)])
    assert [trial.state for trial in trials] == ["failed", "passed"]


def test_a_path_out_of_the_tree_breaks_only_its_own_trial() -> None:
    trials, _ = tried(CALC, [candidate({"../out.py": "x = 1\n"}), *adding("a + b")])
    assert [trial.state for trial in trials] == ["failed", "passed"]


def test_candidates_with_the_same_texts_are_run_once_and_each_has_its_answer() -> None:
    trials, _ = tried(CALC, adding("a + b", "a + b", "a * 3", "a * 3"), batch=4)
    assert [trial.state for trial in trials] == ["passed", "passed", "failed", "failed"]
    assert trials[1].reason == "the same texts as one before it"


def test_a_source_layout_with_a_conftest_and_a_package_under_tests_is_tried_in_forks() -> None:
    files = {
        "pyproject.toml": "[project]\nname = 'calc'\n",
        "src/calc/__init__.py": "from calc.ops import add\n",
        "src/calc/ops.py": ADD.format("a - b"),
        "tests/__init__.py": "",
        "tests/conftest.py": "import json\nimport pytest\n\n@pytest.fixture\ndef two():\n"
        "    return json.loads('2')\n",
        "tests/test_ops.py": "import calc\n\ndef test_add(two):\n    assert calc.add(two, 2) == 4\n",
    }
    candidates = [candidate({"src/calc/ops.py": ADD.format(body)}) for body in ("a * b + 1", "a + b")]
    trials, recorded = tried(files, candidates, red=("tests/test_ops.py::test_add",))
    assert [trial.state for trial in trials] == ["failed", "passed"]
    assert was_forked(recorded)


def test_red_tests_of_a_module_that_does_not_load_can_be_mended() -> None:
    files = {**CALC, "calc.py": "def sub(a, b):\n    return a - b\n"}
    trials, _ = tried(files, adding("a - b", "a + b"))
    assert [trial.state for trial in trials] == ["failed", "passed"]


def test_a_project_whose_conftest_does_not_load_can_be_mended() -> None:
    files = {**CALC, "conftest.py": "import calc\n", "calc.py": "raise ValueError('broken')\n"}
    trials, _ = tried(files, adding("a - b", "a + b"))
    assert [trial.state for trial in trials] == ["failed", "passed"]


def test_tests_that_pass_in_a_fork_but_not_alone_are_tried_one_by_one() -> None:
    # The bug shows only where Python was started as a test run of its own.
    body = "a + b if __import__('sys').orig_argv[-1] == '-' or '-c' in __import__('sys').orig_argv else 0"
    trials, recorded = tried({**CALC, "calc.py": ADD.format(body)}, adding("a - b", "a + b"))
    assert [trial.state for trial in trials] == ["failed", "passed"]
    assert recorded.written


def test_other_runners_are_tried_one_by_one() -> None:
    files = {"check.txt": "no\n"}
    candidates = [candidate({"check.txt": "maybe\n"}), candidate({"check.txt": "yes\n"})]
    trials, _ = tried(files, candidates, red=("(whole suite)",), configured="grep -q yes check.txt")
    assert [trial.state for trial in trials] == ["failed", "passed"]


def test_a_candidate_that_ends_the_batch_is_failed_and_those_after_it_are_tried() -> None:
    # It kills the process above it, as the kernel may when memory runs out.
    killer = "[__import__('os').kill(p, 9) for p in parents()]"
    parents = (
        "\n\ndef parents():\n    import os\n    above = os.getppid()\n"
        "    line = open(f'/proc/{above}/stat').read().rsplit(')', 1)[1].split()\n"
        "    return [int(line[1]), above]\n"
    )
    deadly = candidate({"calc.py": ADD.format(killer) + parents})
    trials, _ = tried(CALC, [*adding("a * a"), deadly, *adding("a + b")])
    assert [trial.state for trial in trials] == ["failed", "failed", "passed"]
    assert "ended with all around it" in trials[1].reason


def test_a_workers_error_comes_after_the_candidates_before_it() -> None:
    def answers() -> Iterator[Candidate]:
        yield from adding("a * a")
        raise DiffError("the reply is no diff")

    got: list[str] = []
    with workspace(CALC) as opened, pytest.raises(DiffError, match="no diff"):
        got.extend(
            trial.state
            for trial in try_candidates(
                opened, command_of(CALC), red=RED, candidates=answers(), originals=CALC.get
            )
        )


def test_a_slow_workers_first_candidate_is_tried_before_the_second_is_drawn() -> None:
    drawn: list[str] = []

    def answers() -> Iterator[Candidate]:
        for one in adding("a * a", "a + b"):
            drawn.append("drawn")
            time.sleep(1.1)  # the work of a model, not a wait for something to happen
            yield one

    with workspace(CALC) as opened:
        trials = try_candidates(opened, command_of(CALC), red=RED, candidates=answers(), originals=CALC.get)
        drawn.extend("tried" for _ in trials)
    assert drawn == ["drawn", "tried", "drawn", "tried"]
