"""Lines of text and the shortest way from one list of them to another, in bounded time."""

from bisect import bisect_left

Block = tuple[int, int, int, int]
"""`old[a:b]` became `new[c:d]`, as (a, b, c, d)."""

# Beyond this many differing lines in one gap the gap is replaced as a whole: correct, only longer.
_MOST_EDITS = 200


def changes(old: list[str], new: list[str]) -> list[Block]:
    """The stretches in which two lists of lines differ, in order, not touching one another."""
    first, last = _common_ends(old, new, 0, len(old), 0, len(new))
    blocks: list[Block] = []
    at_old, at_new = first, first
    end_old, end_new = len(old) - last, len(new) - last
    for a, c in _anchors(old, new, first, end_old, first, end_new):
        if a < at_old or c < at_new:
            continue  # swallowed by the run of equal lines around an earlier anchor
        blocks += _gap(old, new, at_old, a, at_new, c)
        while a < end_old and c < end_new and old[a] == new[c]:
            a, c = a + 1, c + 1
        at_old, at_new = a, c
    blocks += _gap(old, new, at_old, end_old, at_new, end_new)
    return _joined(blocks)


def _common_ends(old: list[str], new: list[str], a: int, b: int, c: int, d: int) -> tuple[int, int]:
    """How many lines of `old[a:b]` and `new[c:d]` are equal from the front, and from the back after that."""
    size = min(b - a, d - c)
    first = 0
    while first < size and old[a + first] == new[c + first]:
        first += 1
    last = 0
    while last < size - first and old[b - 1 - last] == new[d - 1 - last]:
        last += 1
    return first, last


def _anchors(old: list[str], new: list[str], a: int, b: int, c: int, d: int) -> list[tuple[int, int]]:
    """Lines that occur once on either side, the longest run of them in the same order (patience diff)."""
    if b - a < 2 or d - c < 2:
        return []
    count_old: dict[str, int] = {}
    for at in range(a, b):
        count_old[old[at]] = -1 if old[at] in count_old else at
    count_new: dict[str, int] = {}
    for at in range(c, d):
        count_new[new[at]] = -1 if new[at] in count_new else at
    pairs = [(at, count_new[line]) for line, at in count_old.items() if at >= 0 and count_new.get(line, -1) >= 0]
    tails: list[int] = []
    piles: list[int] = []
    before: list[int] = []
    for number, (_, at) in enumerate(pairs):
        pile = bisect_left(tails, at)
        before.append(piles[pile - 1] if pile else -1)
        if pile == len(tails):
            tails.append(at)
            piles.append(number)
        else:
            tails[pile], piles[pile] = at, number
    chain: list[tuple[int, int]] = []
    number = piles[-1] if piles else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]


def _gap(old: list[str], new: list[str], a: int, b: int, c: int, d: int) -> list[Block]:
    """The differences between two anchors."""
    first, last = _common_ends(old, new, a, b, c, d)
    a, b, c, d = a + first, b - last, c + first, d - last
    if a == b and c == d:
        return []
    if a == b or c == d:
        return [(a, b, c, d)]
    return _shortest(old[a:b], new[c:d], a, c)


def _shortest(old: list[str], new: list[str], a: int, c: int) -> list[Block]:
    """Myers' greedy algorithm (An O(ND) Difference Algorithm, 1986), given up on when D grows large."""
    n, m = len(old), len(new)
    if n > 8 * _MOST_EDITS + m or m > 8 * _MOST_EDITS + n:
        return [(a, a + n, c, c + m)]
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(n + m, _MOST_EDITS) + 1):
        trace.append(dict(reach))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reach.get(k - 1, -1) < reach.get(k + 1, -1))
            x = reach.get(k + 1, 0) if down else reach.get(k - 1, 0) + 1
            y = x - k
            while x < n and y < m and old[x] == new[y]:
                x, y = x + 1, y + 1
            reach[k] = x
            if x >= n and y >= m:
                return _walked(trace, n, m, a, c)
    return [(a, a + n, c, c + m)]


def _walked(trace: list[dict[int, int]], x: int, y: int, a: int, c: int) -> list[Block]:
    blocks: list[Block] = []
    for edits in range(len(trace) - 1, 0, -1):
        reach, k = trace[edits], x - y
        down = k == -edits or (k != edits and reach.get(k - 1, -1) < reach.get(k + 1, -1))
        k = k + 1 if down else k - 1
        x = reach[k]
        y = x - k
        blocks.append((a + x, a + x + (not down), c + y, c + y + down))
    return blocks[::-1]


def _joined(blocks: list[Block]) -> list[Block]:
    """The same differences with those that touch made one."""
    out: list[Block] = []
    for block in blocks:
        if out and out[-1][1] == block[0] and out[-1][3] == block[2]:
            out[-1] = (out[-1][0], block[1], out[-1][2], block[3])
        else:
            out.append(block)
    return out
