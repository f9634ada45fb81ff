"""How long the command line takes to say anything, beside the least a Python program with click can take."""

import os
import sys
from pathlib import Path

from bench.measuring import interleaved, measure, median, table


def report(*, rounds: int) -> None:
    script = str(Path(sys.executable).with_name("gitagent"))
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    commands = {
        'python -c "import click"': [sys.executable, "-c", "import click"],
        "gitagent --help": [script, "--help"],
        "gitagent --version": [script, "--version"],
    }
    contenders = {name: lambda words=words: measure(words, env=env) for name, words in commands.items()}
    results = interleaved(contenders, rounds=rounds, warmups=2)
    floor = median([each.seconds for each in results['python -c "import click"']])
    rows = []
    for name, measured in results.items():
        seconds = median([each.seconds for each in measured])
        peak = max(each.peak_bytes for each in measured)
        rows.append([name, f"{seconds * 1000:.0f} ms", f"{seconds / floor:.2f}x", f"{peak / 2**20:.0f} MB"])
        if any(each.exit_code for each in measured):
            rows[-1][0] += " (failed)"
    table(f"Starting up, median of {rounds}", ["command", "time", "ratio", "peak memory"], rows)
