"""Fits the weights in gitagent/core/retrieval/weights.py on the packages that are not held back.

`python -m bench.localize.training` prints them. Listwise: the changed files of a fix shall have the largest share of
a softmax over all files of its tree. Weights of evidence cannot be negative, so that no evidence counts against a
file; only those of a file's size and place may be.
"""

import argparse
import random
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from bench.localize.__main__ import CACHE, KINDS, shares
from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import CodeIndex
from gitagent.core.retrieval import features, kinds, weights
from gitagent.core.testing import is_test_path

FREE = ("length", "package")
Row = tuple[str, list[str], "np.ndarray", tuple[str, ...]]


def rows(cache: Path, of_kinds: Collection[str]) -> list[Row]:
    """Package, paths, their scaled numbers and the truth, for every case that is not held back."""
    out: list[Row] = []
    for case in (case for kind in of_kinds for case in KINDS[kind](cache)):
        if case.held_back:
            continue
        index = CodeIndex(GitRepository(str(case.repository)))
        evidence = index.evidence(case.base, case.request)
        index.close()
        found = {path: row for path, row in evidence.scaled().items() if case.is_own(path)}
        paths = sorted(found)
        matrix = np.array(
            [[kinds.factor(path, is_test_path(path)) * value for value in found[path]] for path in paths]
        )
        if set(case.truth) & set(paths):
            out.append((case.package.removeprefix("python-"), paths, matrix, case.truth))
    return out


def fitted(found: Sequence[Row], *, strength: float = 0.02, steps: int = 600) -> np.ndarray:
    """The weights, by Adam on the mean negative log share, each package counting alike; ridge keeps them small."""
    start = np.array([weights.FILES.get(name, 0.0) for name in features.NAMES]) * 2
    value, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    free = np.array([name in FREE for name in features.NAMES])
    per = {package: sum(1 for row in found if row[0] == package) for package in {row[0] for row in found}}
    for step in range(1, steps + 1):
        slope = strength * value
        for package, paths, matrix, truth in found:
            logits = matrix @ value
            share = np.exp(logits - logits.max())
            share /= share.sum()
            true = np.array([path in truth for path in paths])
            slope += (matrix.T @ share - matrix[true].mean(axis=0)) / (per[package] ** 0.5) / len(found)
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        value = value - 0.05 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        value = np.where(free, value, np.maximum(value, 0.0))
    return value


def scored(found: Sequence[Row], value: np.ndarray) -> tuple[float, ...]:
    """The mean share of changed files among the first 1, 3 and 5."""
    every = []
    for _, paths, matrix, truth in found:
        order = np.argsort(-(matrix @ value), kind="stable")
        every.append(shares([paths[place] for place in order], truth))
    return tuple(float(np.mean([one[place] for one in every])) for place in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--kind", action="append", choices=KINDS, help="Only this kind of words; repeatable.")
    options = parser.parse_args()
    found = rows(options.cache, options.kind or KINDS)
    packages = sorted({row[0] for row in found})
    print(f"{len(found)} fixes of {len(packages)} packages")
    now = np.array([weights.FILES.get(name, 0.0) for name in features.NAMES])
    print("now", scored(found, now))
    random.Random(1).shuffle(packages)
    for strength in (0.003, 0.01, 0.03, 0.1):
        folds = []
        for fold in range(5):
            out = set(packages[fold::5])
            value = fitted([row for row in found if row[0] not in out], strength=strength)
            folds.append(
                (scored([row for row in found if row[0] in out], value), sum(row[0] in out for row in found))
            )
        total = sum(size for _, size in folds)
        mean = [sum(score[place] * size for score, size in folds) / total for place in range(3)]
        print(f"ridge {strength}: cross-validated {mean[0]:.3f} {mean[1]:.3f} {mean[2]:.3f}")
    for strength in (0.01, 0.03):
        value = fitted(found, strength=strength)
        print(f"ridge {strength}: fitted", scored(found, value))
        for name, one in zip(features.NAMES, value / value.max(), strict=True):
            print(f'    "{name}": {one:.3f},')


if __name__ == "__main__":
    main()
