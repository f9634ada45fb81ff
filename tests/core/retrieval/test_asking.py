import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core.retrieval.asking import MOST_NAMES, MOST_TERMS, asked

REQUEST = """``MultiDict.update`` drops values

See https://example.org/issues/12 and #77, thanks @ada. Calling parse_options() from werkzeug.http in
src/werkzeug/datastructures/structures.py fails :issue:`99`.

Traceback (most recent call last):
  File "/usr/lib/python3/site-packages/werkzeug/http.py", line 40, in parse
    return 1
  at render (lib/view.js:12:3)
"""


def test_names_in_code_are_surer_than_words_of_prose() -> None:
    names = asked(REQUEST).names
    assert names["MultiDict"] == names["parse_options"] == 1.0
    assert names["update"] == 0.8 and names["drops"] == 0.3


def test_links_numbers_and_people_are_no_words() -> None:
    assert not {"http", "exampl", "ada", "issu"} & set(asked("See https://x.example/issues #7 @ada").terms)


def test_paths_modules_and_tracebacks_are_read() -> None:
    about = asked(REQUEST)
    assert "src/werkzeug/datastructures/structures.py" in about.paths
    assert "werkzeug.http" in about.modules
    assert about.frames == (
        ("/usr/lib/python3/site-packages/werkzeug/http.py", 40, "parse"),
        ("lib/view.js", 12, ""),
    )


def test_the_first_line_counts_more() -> None:
    terms = asked("alpha breaks\n\nbeta too").terms
    assert terms["alpha"] > terms["beta"]


def test_a_title_counts_more_than_the_first_line_of_a_paragraph() -> None:
    titled, running = asked("alpha breaks\n\nbeta too").terms, asked("alpha breaks\nbeta too").terms
    assert titled["alpha"] / titled["beta"] > running["alpha"] / running["beta"]


@pytest.mark.parametrize(
    ("text", "component"),
    [
        ("parser: reads past the end", {"pars"}),
        ("net/http, url: escape paths", {"net", "http", "url"}),
        ("fix(parser): reads past the end", {"pars"}),
        ("[parser] reads past the end", {"pars"}),
        ("Reads past the end at 12:30", set()),
        ("Reading from a file that somebody else truncated meanwhile says this: nothing", set()),
        ("", set()),
    ],
)
def test_the_part_of_the_project_is_what_a_title_names_before_a_colon_or_in_brackets(
    text: str, component: set[str]
) -> None:
    assert asked(text).component == component


@given(st.text(max_size=2_000))
def test_a_request_of_any_kind_is_bounded(text: str) -> None:
    about = asked(text)
    assert len(about.terms) <= MOST_TERMS and len(about.names) <= MOST_NAMES
