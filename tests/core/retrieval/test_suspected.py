from gitagent.core.retrieval import features, suspected
from gitagent.core.retrieval.passages import Passage
from gitagent.records import Definition, Span, Suspect
from tests.core.retrieval.test_features import corpus


def suspect(path: str, line: int, score: float) -> Suspect:
    return Suspect(path=path, line=line, score=score, reason="run by 1 failing, 0 passing")


def column(evidence: features.Evidence, kind: str) -> dict[str, float]:
    return {path: row[features.NAMES.index(kind)] for path, row in evidence.rows.items()}


def test_a_file_counts_by_its_most_suspicious_line_even_if_no_word_led_there() -> None:
    evidence = features.Evidence()
    evidence.add("one.py", "body", 2.0)
    found = [
        suspect("one.py", 1, 0.2),
        suspect("two.py", 3, 0.4),
        suspect("two.py", 4, 0.9),
        suspect("gone.py", 1, 1.0),
    ]
    suspected.from_tests(evidence, corpus(one="common", two="other words"), found, {})
    assert column(evidence, "suspected") == {"one.py": 0.2, "two.py": 0.9}
    assert column(evidence, "length")["two.py"] > 0 and column(evidence, "heard") == {"one.py": 0.0, "two.py": 0.0}


def test_weak_suspicion_does_not_become_strong_by_being_the_only_one() -> None:
    evidence = features.Evidence()
    suspected.from_tests(evidence, corpus(one="common"), [suspect("one.py", 1, 0.1)], {})
    assert evidence.scaled()["one.py"][features.NAMES.index("suspected")] == 0.1


def test_what_tests_say_counts_by_its_share_of_the_best() -> None:
    evidence = features.Evidence()
    told = {"one.py": 4.0, "two.py": 1.0, "three.py": -1.0}
    suspected.from_tests(evidence, corpus(one="a b", two="c d", three="e"), [], told)
    assert column(evidence, "heard") == {"one.py": 1.0, "two.py": 0.25, "three.py": 0.0}


def test_a_line_counts_for_the_innermost_definition_alone() -> None:
    outer = Definition(name="Basket", kind="class", first_line=1, last_line=9)
    inner = Definition(name="total", kind="method", first_line=4, last_line=6, parent="Basket")
    said = Passage(name="Basket", kind="class", first_line=1, last_line=9, score=2.0)
    module = Passage(name="", kind="module", first_line=1, last_line=9, score=1.0)
    found = suspected.by_passage([said, module], [outer, inner], [suspect("one.py", 5, 0.8)])
    assert [(one.name, score) for one, score in found] == [("Basket", 0.0), ("Basket.total", 0.8)]


def test_definitions_that_nothing_leads_to_stay_out_and_fields_are_none() -> None:
    idle = Definition(name="idle", kind="function", first_line=1, last_line=3)
    field = Definition(name="size", kind="field", first_line=5, last_line=5)
    assert suspected.by_passage([], [idle, field], [suspect("one.py", 5, 0.8)]) == ()


def test_suspicion_in_a_function_that_fits_worse_goes_down_but_not_out() -> None:
    lines = [
        suspect("one.py", 2, 0.8),
        suspect("one.py", 9, 0.8),
        suspect("two.py", 1, 0.7),
        suspect("one.py", 5, 0.9),
    ]
    fitting = Span(path="one.py", name="f", first_line=8, last_line=9)
    outer, inner = (
        Span(path="one.py", name=name, first_line=first, last_line=6) for name, first in (("C", 1), ("g", 5))
    )
    found = suspected.rescored(lines, [(fitting, 0.5), (outer, 0.4), (inner, 0.1)])
    assert [(one.path, one.line, one.score) for one in found] == [
        ("one.py", 9, 0.8),
        ("one.py", 2, 0.72),
        ("one.py", 5, 0.54),
        ("two.py", 1, 0.35),
    ]
    assert suspected.rescored(lines, []) == tuple(lines)
