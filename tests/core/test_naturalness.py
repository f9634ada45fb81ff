from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.naturalness import Naturalness, changed, tokens

TEXT = "".join(
    f"def f{n}(self, items):\n    if items is None:\n        return None\n    return len(items)\n"
    for n in range(6)
)


def surprise(model: Naturalness, text: str) -> float:
    found = tokens(text)
    return model.without([]).surprise(found, 0, len(found))


def test_what_stands_there_often_surprises_less_than_what_does_not() -> None:
    model = Naturalness([TEXT])
    assert surprise(model, "if items is None:\n") < surprise(model, "if items is not None:\n")
    assert surprise(model, "return len(items)\n") < surprise(model, "return items(len)\n")


def test_a_place_is_no_witness_for_itself() -> None:
    model = Naturalness([TEXT + "    odd = self.even(17)\n"])
    found = tokens("    odd = self.even(17)\n")
    assert model.without(found).surprise(found, 0, len(found)) > surprise(model, "    odd = self.even(17)\n") + 10


def test_without_any_text_every_token_surprises_alike() -> None:
    assert surprise(Naturalness([]), "x = 1\n") > 0


def test_comments_and_layout_say_nothing_and_long_strings_are_one() -> None:
    assert tokens("x  =  1  # why\n") == tokens("x = 1\n") == ["x", "=", "1", "\n"]
    assert tokens('x = "' + "a" * 30 + '"') == tokens("x = '" + "b" * 40 + "'")
    assert tokens("x = 'a'") == tokens('x = "a"')
    assert tokens("a//=b!=c**d->1.5") == ["a", "//=", "b", "!=", "c", "**", "d", "->", "1.5"]


def test_the_changed_stretch_reaches_a_few_tokens_further() -> None:
    old, new = tokens("a = b + c(d, e)\n"), tokens("a = b - c(d, e)\n")
    assert changed(old, new) == (3, 7, 7)
    assert changed(old, old) == (len(old), len(old), len(old))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab1 =+('\"\n#\\é", max_size=40), st.text(alphabet="ab1 =+('\"\n", max_size=40))
def test_whatever_the_text_chances_are_chances(text: str, other: str) -> None:
    model = Naturalness([text, other])
    found = tokens(other)
    for own in ([], found, tokens(text), found * 9):
        elsewhere = model.without(own)
        assert all(elsewhere.surprise(found, at, at + 1) >= 0 for at in range(len(found)))
    first, old_end, new_end = changed(tokens(text), found)
    assert first <= old_end <= len(tokens(text))
    assert first <= new_end <= len(found)
