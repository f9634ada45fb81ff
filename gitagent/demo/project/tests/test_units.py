import pytest

from larder.units import UnitError, parse, show


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2 kg", (2000, "mass")), ("350g", (350, "mass")), ("1,5 l", (1500, "volume")), ("12", (12, "count"))],
)
def test_amounts_are_read_as_people_write_them(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "kg", "2 stone", "-1 g", "1.2.3 g"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(UnitError):
        parse(text)


def test_a_dozen_is_twelve():
    assert parse("2 dozen") == (24, "count")


@pytest.mark.parametrize(
    ("amount", "kind", "text"), [(2500, "mass", "2.5 kg"), (999, "mass", "999 g"), (3, "count", "3 pc")]
)
def test_amounts_are_shown_in_the_handier_unit(amount, kind, text):
    assert show(amount, kind) == text
