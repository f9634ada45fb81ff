import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gitagent.adapters.templates import TemplatesWorker
from gitagent.core import diffs
from gitagent.errors import ModelError
from gitagent.records import MicroTask, Note, Suspect

TEXT = (
    "".join(f"x{n} = {n}\n" for n in range(1, 21)) + "def f(a, b):\n    if a < b:\n        return a\n    return b"
)


def task_for(text: str, first: int, last: int, **fields: object) -> MicroTask:
    excerpt = "".join(diffs.lines_of(text)[first - 1 : last])
    given = {"id": "1", "path": "m.py", "instruction": "", "answer_tokens": 0} | fields
    return MicroTask(first_line=first, excerpt=excerpt, **given)  # type: ignore[arg-type]


def test_candidates_are_diffs_that_git_applies(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(TEXT)
    suspects = (
        Suspect(path="m.py", line=22, score=0.9, reason=""),
        Suspect(path="n.py", line=1, score=1.0, reason=""),
    )
    found = list(TemplatesWorker().candidates(task_for(TEXT, 21, 24, suspects=suspects), TEXT, limit=40))
    assert len(found) == 40
    for candidate in found[::8]:
        subprocess.run(["git", "apply", "-"], input=candidate.diff.text, text=True, cwd=tmp_path, check=True)
        assert (tmp_path / "m.py").read_text() == candidate.texts["m.py"]
        subprocess.run(["git", "apply", "-R", "-"], input=candidate.diff.text, text=True, cwd=tmp_path, check=True)
    first = found[0]
    assert (first.worker, first.task, first.diff.paths) == ("templates", "1", ("m.py",))
    assert "line 22" in first.pattern
    assert 0 < first.score <= 1


def test_the_quick_diff_is_the_plain_one() -> None:
    found = list(TemplatesWorker().candidates(task_for(TEXT, 1, 24), TEXT, limit=300))
    assert len(found) == 300
    for candidate in found:
        plain = diffs.between({"m.py": (TEXT, candidate.texts["m.py"])})
        assert candidate.diff == plain


def test_only_the_excerpt_changes() -> None:
    old = diffs.lines_of(TEXT)
    for candidate in TemplatesWorker().candidates(task_for(TEXT, 5, 6), TEXT, limit=10_000):
        new = diffs.lines_of(candidate.texts["m.py"] or "")
        assert new[:4] == old[:4]
        assert new[-18:] == old[-18:]


def test_notes_are_hints() -> None:
    def place(note: str) -> int:
        task = task_for(TEXT, 21, 24, notes=(Note(title="red", text=note),))
        patterns = [found.pattern for found in TemplatesWorker().candidates(task, TEXT, limit=1000)]
        return next(n for n, pattern in enumerate(patterns) if pattern.startswith("early way out"))

    assert place("E   TypeError: 'NoneType' object") < place("")


@pytest.mark.parametrize(
    ("path", "text"), [("m.txt", "x = 1\n"), ("m.py", "x = '\udcff'\n"), ("m.py", "def (\n"), ("m.py", "")]
)
def test_what_is_no_python_in_utf8_gets_no_candidates(path: str, text: str) -> None:
    assert list(TemplatesWorker().candidates(task_for(text, 1, 1, path=path), text, limit=5)) == []


def test_the_limit_holds() -> None:
    assert list(TemplatesWorker().candidates(task_for(TEXT, 1, 24), TEXT, limit=0)) == []
    assert len(list(TemplatesWorker().candidates(task_for(TEXT, 1, 24), TEXT, limit=3))) == 3


def test_a_judge_puts_the_best_candidates_in_another_order_and_loses_none() -> None:
    asked: list[tuple[str, list[str]]] = []

    def judge(before: str, texts: Sequence[str]) -> list[float]:
        asked.append((before, list(texts)))
        return [0.0 if "a >= b" in text else -30.0 if "a < b:" in text else -60.0 for text in texts]

    task = task_for(TEXT, 21, 24)
    plain = list(TemplatesWorker().candidates(task, TEXT, limit=300))
    judged = list(TemplatesWorker(judge=judge).candidates(task, TEXT, limit=300))
    places = [["a >= b" in str(one.texts["m.py"]) for one in found].index(True) for found in (judged, plain)]
    assert places[0] < places[1]
    assert {one.diff.text for one in judged} == {one.diff.text for one in plain}
    assert [one.score for one in judged] == [one.score for one in plain]
    texts = next(texts for before, texts in asked if before.endswith("def f(a, b):\n"))
    assert texts[0] == "    if a < b:\n        return a\n"
    assert len(texts) > 5


def test_a_judge_that_cannot_tell_changes_nothing() -> None:
    def judge(before: str, texts: Sequence[str]) -> list[float]:
        raise ModelError("the window has 16")

    plain = list(TemplatesWorker().candidates(task_for(TEXT, 21, 24), TEXT, limit=99))
    judged = list(TemplatesWorker(judge=judge).candidates(task_for(TEXT, 21, 24), TEXT, limit=99))
    assert [one.diff for one in judged] == [one.diff for one in plain]
