"""Delta debugging: what is left holds, and nothing in it can be spared."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.minimizing import Change, ddmin, touched

pieces = st.integers(1, 24).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1, max_size=size))
)


@settings(max_examples=100, deadline=None)
@given(pieces)
def test_exactly_what_is_needed_is_left_in_order(drawn: tuple[int, set[int]]) -> None:
    size, needed = drawn
    tries = 0

    def first(parts: Sequence[Sequence[int]]) -> int | None:
        nonlocal tries
        tries += len(parts)
        return next((at for at, part in enumerate(parts) if needed <= set(part)), None)

    assert ddmin(range(size), first) == tuple(sorted(needed))
    assert tries <= size * size + 7 * size


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10), st.lists(st.sets(st.integers(0, 9), max_size=3), max_size=4))
def test_with_several_ways_to_hold_no_piece_left_can_be_spared(size: int, ways: list[set[int]]) -> None:
    def holds(part: Sequence[int]) -> bool:
        return len(part) == size or any(way and way <= set(part) for way in ways)

    def first(parts: Sequence[Sequence[int]]) -> int | None:
        assert all(parts)
        return next((at for at, part in enumerate(parts) if holds(part)), None)

    kept = ddmin(range(size), first)
    assert holds(kept)
    spared = [tuple(one for one in kept if one != piece) for piece in kept]
    assert not any(holds(part) for part in spared if part)


texts = st.text(alphabet="ab\n", max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("xyz"), st.tuples(st.none() | texts, st.none() | texts), max_size=3))
def test_all_edits_are_the_change_and_none_of_them_none(files: dict[str, tuple[str | None, str | None]]) -> None:
    before = {path: old for path, (old, _) in files.items()}
    after = {path: new for path, (_, new) in files.items()}
    change = Change(before, after)
    edits = [edit for hunk in change.hunks for edit in hunk]
    assert change.texts(edits) == {path: new for path, new in after.items() if new != before[path]}
    assert change.texts([]) == {}
    assert len(set(edits)) == len(edits)


def test_hunks_are_apart_and_lines_come_one_by_one() -> None:
    change = Change({"a": "1\n2\n3\n"}, {"a": "one\n2\n3\nfour\nfive\n"})
    assert [len(hunk) for hunk in change.hunks] == [2, 2]
    assert change.texts(change.hunks[1]) == {"a": "1\n2\n3\nfour\nfive\n"}
    assert change.texts(change.hunks[1][:1]) == {"a": "1\n2\n3\nfour\n"}
    assert change.texts(change.hunks[0][1:]) == {"a": "1\none\n2\n3\n"}


def test_new_lines_are_told_by_number() -> None:
    assert touched("1\n2\n3\n", "1\ntwo\n3\nfour") == ((2, 2), (4, 4))
    assert touched("1\n2\n", "1\n") == () and touched("", "1\n2\n") == ((1, 2),)
