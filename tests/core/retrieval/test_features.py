from array import array

from gitagent.core.retrieval import features, kinds
from gitagent.core.retrieval.asking import asked
from gitagent.core.retrieval.corpus import Corpus, by_fields, by_names, by_paths
from gitagent.core.retrieval.facts import facts
from gitagent.core.retrieval.mapping import repository_map
from gitagent.core.retrieval.passages import passages
from gitagent.records import Definition


def corpus(**texts: str) -> Corpus:
    """Files `name.py` with these texts; a line `def x` defines x."""
    postings: dict[str, array[int]] = {}
    lengths, numbers = {}, {}
    for number, (name, text) in enumerate(texts.items(), 1):
        defined = [line.split()[1] for line in text.split("\n") if line.startswith("def ")]
        own = facts(text, [Definition(name=one, kind="function", first_line=1, last_line=1) for one in defined])
        numbers[f"{name}.py"], lengths[number] = number, own.lengths
        for term, (names, docs, body) in own.counts.items():
            postings.setdefault(term, array("Q")).append(number | names << 32 | docs << 40 | body << 48)
    return Corpus(numbers=numbers, lengths=lengths, postings=postings)


def test_a_rare_word_beats_a_common_one() -> None:
    files = corpus(one="common rare", two="common common common", three="common")
    scores = by_fields(files, {"common": 1.0, "rar": 1.0})
    assert "rar" not in files.postings  # "rare" keeps its e, being short
    scores = by_fields(files, {"common": 1.0, "rare": 1.0})
    assert scores[1][2] > scores[2][2] > 0


def test_the_file_that_defines_a_name_is_told_from_those_that_use_it() -> None:
    found = by_names(corpus(one="def read_file", two="read_file(read_file)"), {"read_file": 1.0})
    assert found[1][0] > found[2][0] == 0.0 < found[2][1]


def test_a_file_called_like_the_request_is_first_among_paths() -> None:
    scores = by_paths(["a/routing.py", "routing/rules.py", "a/other.py"], {"rout": 1.0})
    assert scores["a/routing.py"] > scores["routing/rules.py"] > 0 and "a/other.py" not in scores


def test_files_of_the_part_that_the_title_names_are_told_from_those_that_have_its_words() -> None:
    evidence = features.at_first(corpus(parser="def end", other="parser parser end"), asked("parser: wrong end"))
    place = features.NAMES.index("component")
    assert evidence.rows["parser.py"][place] > evidence.rows["other.py"][place] == 0.0


def test_files_are_found_by_path_module_and_name() -> None:
    paths = ["src/web/http.py", "src/web/__init__.py", "src/other/http.py", "src/web/forms.py"]
    assert features.mentioned(asked("see src/web/forms.py"), paths)["src/web/forms.py"] == 1.0
    by_module = features.mentioned(asked("in web.http.parse"), paths)
    assert by_module["src/web/http.py"] > by_module["src/other/http.py"]


def test_a_traceback_leads_to_our_file_wherever_it_was_installed() -> None:
    text = 'File "/lib/site-packages/web/http.py", line 3, in f\nFile "/lib/python3/json/decoder.py", line 1, in g'
    paths = ["src/web/http.py", "src/other/http.py", "json/encoder.py"]
    assert features.in_frames(asked(text), paths) == {"src/web/http.py": 1.0}


def test_history_raises_what_changed_for_similar_words_and_beside_the_best() -> None:
    files = corpus(one="def cache_key", two="cache", three="cache")
    about = asked("cache key is wrong")
    evidence = features.at_first(files, about)
    changes = [
        (("cach", "key"), ("two.py",)),
        (("docs",), ("one.py", "two.py")),
        (("other",), ("gone.py",)),
        ((), ()),
    ]
    features.from_history(evidence, changes, about, ["one.py"], files)
    two, three = evidence.rows["two.py"], evidence.rows["three.py"]
    for kind in ("told", "often", "together"):
        assert two[features.NAMES.index(kind)] > three[features.NAMES.index(kind)] == 0.0


def test_what_the_best_files_call_is_raised() -> None:
    files = corpus(one="cache load_all()", two="cache def x\ndef load_all")
    evidence = features.at_first(files, asked("cache"))
    features.from_calls(evidence, files, {"load_all": 1.0}, {"load_all": frozenset({1})})
    assert evidence.rows["two.py"][features.NAMES.index("calls")] > 0.0
    assert evidence.rows["one.py"][features.NAMES.index("calls")] == 0.0


def test_the_reason_names_the_evidence_that_counted() -> None:
    evidence = features.Evidence()
    evidence.add("a.py", "traced", 1.0)
    evidence.add("b.py", "body", 3.0)
    scaled = evidence.scaled()
    assert features.reason(scaled["a.py"], {"traced": 1.0, "body": 1.0}) == "in a traceback"
    assert features.reason(scaled["b.py"], {"traced": 1.0, "body": 1.0}) == "its words fit"


def test_tests_documents_and_foreign_code_count_less() -> None:
    assert kinds.factor("src/a.py", False) == 1.0
    assert kinds.factor("tests/test_a.py", True) < 1.0
    assert kinds.factor("pkg/_vendor/a.py", False) < kinds.factor("examples/a.py", False) < 1.0
    assert kinds.factor("src/a.h", False) < kinds.factor("src/a.c", False)
    assert kinds.factor("examples/a.h", False) < kinds.factor("examples/a.c", False)
    assert kinds.factor("CHANGELOG.md", False) < kinds.factor("docs/a.md", False)
    assert kinds.is_code("a/B.java") and not kinds.is_code("a.md")


TEXT = """import os

LIMIT = 3

class Basket:
    def total(self):
        return sum_of(prices)

    def clear(self):
        self.items = []
"""
DEFINITIONS = (
    Definition(name="Basket", kind="class", first_line=5, last_line=10, signature="class Basket"),
    Definition(
        name="total", kind="method", first_line=6, last_line=7, parent="Basket", signature="def total(self)"
    ),
    Definition(
        name="clear", kind="method", first_line=9, last_line=10, parent="Basket", signature="def clear(self)"
    ),
)


def test_the_function_whose_words_fit_is_the_best_passage() -> None:
    found = passages(TEXT, DEFINITIONS, {"price": 1.0, "total": 1.0}, {}, {"total": 1.0})
    assert (found[0].name, found[0].first_line, found[0].last_line) == ("Basket.total", 6, 7)
    assert "Basket.clear" not in [one.name for one in found]


def test_lines_outside_every_function_are_a_passage_without_a_name() -> None:
    (found,) = passages(TEXT, DEFINITIONS, {"limit": 1.0}, {}, {})
    assert (found.name, found.kind) == ("", "module")


def test_a_map_fills_its_budget_and_shows_the_best_files_most() -> None:
    files = [("shop/basket.py", DEFINITIONS), ("shop/other.py", DEFINITIONS)]
    whole = repository_map(files, budget_tokens=1_000, count=len)
    assert whole.split("\n")[:4] == [
        "shop/basket.py",
        "  5: class Basket",
        "    6: def total(self)",
        "    9: def clear(self)",
    ]
    for budget in (0, 14, 40, 90, 130):
        shown = repository_map(files, budget_tokens=budget, count=len)
        assert len(shown) <= budget and (not shown or shown.startswith("shop/basket.py"))
    assert repository_map(files, budget_tokens=13, count=len) == ""


def test_a_file_of_data_keeps_its_commonest_words_alone() -> None:
    own = facts("often often " + " ".join(f"once_{number}x" for number in range(20_000)))
    assert "often" in own.counts and len(own.counts) <= 12_000
