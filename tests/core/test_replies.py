import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import planning
from gitagent.core.replies import LONGEST, read_object, renamed, without_thoughts
from gitagent.errors import ModelError

SAMPLES = Path(__file__).parent.parent / "samples" / "replies"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text())
FILES = ("shop/basket.py", "shop/prices.py")
KEYS = {"text": ("content", "body"), "list": ("items",)}


def steps(text: str) -> tuple[planning.Step, ...]:
    answer = read_object(text, planning.KEYS, wanted="tasks", inside=planning.TASK_KEYS)
    return planning.steps_of(answer, lambda path: path in FILES, FILES)


@pytest.mark.parametrize("sample", [name for name, expected in EXPECTED.items() if expected == 1])
def test_a_reply_whose_meaning_is_certain_is_read(sample: str) -> None:
    (step,) = steps((SAMPLES / f"{sample}.txt").read_text())
    assert step.path == "shop/basket.py"
    if sample == "40-deleting":
        assert (step.action, step.instruction) == ("delete", "x")
    else:
        assert (step.action, " ".join(step.instruction.split())) == ("change", "Start the loop at the first item.")


@pytest.mark.parametrize("sample", [name for name, expected in EXPECTED.items() if expected != 1])
def test_any_other_reply_is_refused_with_a_reason(sample: str) -> None:
    with pytest.raises(ModelError) as caught:
        steps((SAMPLES / f"{sample}.txt").read_text())
    assert EXPECTED[sample] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_sample_is_expected_and_the_other_way_round() -> None:
    assert sorted(file.stem for file in SAMPLES.glob("*.txt")) == sorted(EXPECTED)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"text": "tab\t quote\" u\u00e9 x\x41 nul\0 slash\/"}', 'tab\t quote" ué xA nul\0 slash/'),
        ("{'text': 'it\\'s'}", "it's"),
        ('{"text": """three\n"quoted" lines"""}', 'three\n"quoted" lines'),
        ("{“text”: “curly”}", "curly"),
        ("{`text`: `backticks`,}", "backticks"),
        ('{"text" => "arrow"}', "arrow"),
        ('{"text": "a" "list": [1]}', "a"),
        ("{text: -1_000}", -1000),
        ("{text: 1.5e3,}", 1500.0),
        ("{text: True,}", True),
        ("{text: undefined,}", None),
        ("{text: [1 2, 3,]}", [1, 2, 3]),
        ("{text: {},}", {}),
        ('{"text": "\\q",}', "q"),
    ],
)
def test_forms_that_mean_one_thing_are_understood(text: str, value: object) -> None:
    assert read_object(text, KEYS, wanted="text") == ({"text": value} | ({"list": [1]} if "list" in text else {}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"text" "x",}', 'no ":" after the key "text"'),
        ('{"text": ?}', "where a value was expected"),
        ('{"text": 1, ?}', "where a key was expected"),
        ('{"text": "never ends', "breaks off inside a string"),
        ('{"text": [1, 2', "breaks off before its end"),
        ('{"text":', "breaks off before its end"),
        ("{'text': 'don't'}", 'no ":"'),
        ("[" * 30_000, "the JSON"),
        ("{" * 30_000, "no JSON object"),
        ("x" * (LONGEST + 1), "answer with one short JSON object"),
    ],
)
def test_forms_that_do_not_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason.replace("?", r"\?")):
        read_object(text, KEYS, wanted="text")


def test_an_answer_in_an_answer_in_text_is_opened() -> None:
    assert read_object('{"list": "[{\\"a\\": 1}]"}', KEYS, wanted="list") == {"list": [{}]}
    assert read_object('{"text": "{not json"}', KEYS, wanted="text") == {"text": "{not json"}


def test_the_exact_key_wins_over_another_word_for_it() -> None:
    assert renamed({"body": 1, "text": 2, "content": 3}, KEYS) == {"text": 2}
    assert renamed({"text": 2, "body": 1, "TEXT": 5}, KEYS) == {"text": 2}
    assert renamed({"unknown": 1}, KEYS) == {}


def test_thoughts_that_never_end_leave_nothing() -> None:
    assert without_thoughts("<think>a</think>\n\nb") == "b"
    assert without_thoughts("<think>a") == ""
    assert without_thoughts("a <think>b</think>") == "a <think>b</think>"


@settings(max_examples=150)
@given(st.text(alphabet="{}[]\"':,tasks \\n#/*1e.-`\n“", max_size=120))
def test_no_text_whatever_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(ModelError):
        assert read_object(text, planning.KEYS, wanted="tasks", inside=planning.TASK_KEYS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(json_values)
def test_strict_json_is_read_as_json_reads_it_also_with_a_comma_too_many(value: object) -> None:
    wrapped = json.dumps({"text": value}, ensure_ascii=False)
    expected = json.loads(wrapped)
    if isinstance(value, (dict, list)) or (isinstance(value, str) and value.lstrip()[:1] in ("{", "[")):
        return
    assert read_object(wrapped, {"text": ()}, wanted="text") == expected
    assert read_object(wrapped[:-1] + ",}", {"text": ()}, wanted="text") == expected
