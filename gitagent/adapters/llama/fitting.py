"""How much memory a model needs and whether this machine has it."""

import os
from dataclasses import dataclass

from gitagent.adapters.llama.header import Header

BUFFERS = 240 * 1024**2
"""Room for llama.cpp's own buffers, the cells of answers sampled together and the grammar's tokenizer; measured with
a vocabulary of 152 thousand."""

SIZES = ((0.5, "0.5B"), (1.5, "1.5B"), (3.0, "3B"), (7.0, "7B"), (14.0, "14B"), (32.0, "32B"))
"""Billions of parameters of the usual coding models."""

_Q4_BYTES = 0.62  # of a parameter in Q4_K_M, embeddings included
_CACHE = {0.5: 12, 1.5: 28, 3.0: 36, 7.0: 56, 14.0: 192, 32.0: 256}  # KiB a token, with grouped heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A verdict in words, with the numbers it rests on. All in bytes."""

    weights: int
    cache: int
    available: int
    verdict: str


def available_bytes() -> int:
    """Memory that can be had without swapping, and inside this control group; 0 where the system does not tell."""
    found = []
    try:
        with open("/proc/meminfo", encoding="ascii") as info:
            found += [int(line.split()[1]) * 1024 for line in info if line.startswith("MemAvailable:")]
    except OSError:
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            with open(limit, encoding="ascii") as most, open(used, encoding="ascii") as now:
                found.append(max(int(most.read()) - int(now.read()), 0))
        except (OSError, ValueError):
            continue  # no such control group, or no limit in it
    return min(found, default=0)


def fit(weights: int, cache_bytes_per_token: int, window: int, available: int) -> Fit:
    """Whether weights and a window's cache fit what is available.

    The weights are mapped, not loaded: what does not fit is read again from disk for every token.
    """
    cache = cache_bytes_per_token * window + BUFFERS
    if not available:
        verdict = "unknown memory"
    elif weights + cache <= available:
        verdict = "fits"
    elif cache <= available // 2:
        verdict = "runs, but slowly: its weights do not all stay in memory"
    else:
        verdict = "too large"
    return Fit(weights=weights, cache=cache, available=available, verdict=verdict)


def largest_window(header: Header, available: int) -> int:
    """The most tokens of window that fit beside the weights, in steps of 1024; never more than trained for."""
    each = max(header.cache_bytes_per_token, 1)
    room = max(available - header.size - BUFFERS, 0) // each
    return min(room, header.window or room) // 1024 * 1024


def usual_sizes(window: int, available: int) -> tuple[tuple[str, Fit], ...]:
    """The usual model sizes in four bits a weight, each with its verdict."""
    return tuple(
        (name, fit(int(billions * 1e9 * _Q4_BYTES), _CACHE[billions] * 1024, window, available))
        for billions, name in SIZES
    )
