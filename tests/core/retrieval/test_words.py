import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core.retrieval.words import LONGEST, is_compound, stem, terms, terms_of


@pytest.mark.parametrize("identifier", ["MultiDict", "multi_dict", "multiDict", "MULTI_DICT", "_multi_dict"])
def test_every_way_to_write_a_name_has_the_same_terms(identifier: str) -> None:
    assert terms_of(identifier) == ("multi", "dict", "multidict")


def test_prose_and_code_meet_in_one_form() -> None:
    assert set(terms("parsing the headers failed")) & set(terms("parse_header")) == {"pars", "head"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("queries", "query"),
        ("matches", "match"),
        ("classes", "class"),
        ("escaped", "escape"),
        ("stopping", "stop"),
    ],
)
def test_endings_come_off(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize("word", ["bus", "this", "ring", "red", "pass", "naïve"])
def test_what_only_looks_like_an_ending_stays(word: str) -> None:
    assert stem(word) == word


@pytest.mark.parametrize(
    ("name", "compound"), [("readFile", True), ("read_file", True), ("_read", False), ("URL", False)]
)
def test_a_compound_name_is_told_from_a_word(name: str, compound: bool) -> None:
    assert is_compound(name) is compound


@given(st.text(max_size=300))
def test_any_text_has_short_terms_without_spaces(text: str) -> None:
    assert all(0 < len(term) <= LONGEST * 3 and not term.isspace() for term in terms(text))
