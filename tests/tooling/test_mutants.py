"""The bugs that `python -m bench mutants` seeds."""

from collections import Counter
from pathlib import Path

from bench.mutants.operators import OPERATORS, meaning_of, mutations, settled
from bench.mutants.packages import PACKAGES
from bench.mutants.seeding import function_at, hide, manifest

TEXT = '''class Shelf:
    """Holds things."""

    def __init__(self, size=3, name="ä", open=True):
        self.size, self.name = size, name

    def find(self, key, rest=None):
        if rest is None and key:
            return -1
        total = 0
        for at in range(len(rest)):
            if not key or at >= self.size:
                break
            total += rest[at] * 2
        try:
            return max(total, self.size, key=rest.index(key, 0)), rest[1:key]
        except ValueError:
            rest.append(key), rest.remove(key)
            raise KeyError(key) from None
        if not rest:
            return None
'''


def test_every_operator_makes_a_mistake_that_parses_and_differs() -> None:
    made = Counter(found.operator for one in mutations(TEXT) if (found := settled(TEXT, one)) is not None)
    assert set(made) == {operator.name for operator in OPERATORS}
    for mutation in mutations(TEXT):
        found = settled(TEXT, mutation)
        if found is not None:
            assert meaning_of(found.applied(TEXT)) not in ("", meaning_of(TEXT))


def test_layout_and_an_idle_pass_mean_nothing() -> None:
    assert meaning_of("def f():\n    pass\n    return 1\n") == meaning_of("def f(): return (1)\n")
    assert meaning_of("def f(:\n") == ""


def test_sixty_bugs_and_more_are_chosen_half_of_the_packages_held_back() -> None:
    bugs = manifest()
    splits = {package.name: package.split for package in PACKAGES}
    assert len({bug.id for bug in bugs}) == len(bugs) >= 60
    assert Counter(splits[bug.package] for bug in bugs) == {"dev": 36, "held": 36}
    assert {bug.operator for bug in bugs} <= {operator.name for operator in OPERATORS}


def test_a_test_that_detects_the_bug_is_always_shown_and_one_held_back_where_there_are_more() -> None:
    for bug in manifest():
        hidden = [bug.is_hidden(place) for place in bug.detecting]
        assert not all(hidden), bug.id
        assert any(hidden) or len(hidden) == 1, bug.id


def test_a_hidden_function_leaves_the_other_lines_where_they_were(tmp_path: Path) -> None:
    file = tmp_path / "test_a.py"
    file.write_text(
        "class TestA:\n    @mark\n    def test_a(self):\n        assert 1\n\ndef test_b():\n    pass\n"
    )
    assert function_at(tmp_path, "test_a.py:2") == (2, 4, 4)
    hide(tmp_path, ["test_a.py:2", "test_a.py:99", "../x.py:1"])
    assert file.read_text() == "class TestA:\n    pass\n\n\n\ndef test_b():\n    pass\n"
