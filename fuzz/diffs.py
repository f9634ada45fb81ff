"""Fuzzing the diff applier: whatever the reply, it is applied or refused, and what is applied is clean.

    pip install atheris
    python fuzz/diffs.py -max_total_time=600 -timeout=5

The input's first part is a file, the rest a reply about it; half the time the reply is given the file's names.
"""

import sys

import atheris

with atheris.instrument_imports(include=["gitagent.core.diffs"]):
    from gitagent.core.diffs import Refused, apply_reply

NAMES = "--- a/f.py\n+++ b/f.py\n"


def one_input(data: bytes) -> None:
    provider = atheris.FuzzedDataProvider(data)
    named, share = provider.ConsumeBool(), provider.ConsumeIntInRange(0, 100)
    rest = provider.ConsumeBytes(len(data))
    cut = len(rest) * share // 100
    text = rest[:cut].decode("utf-8", "surrogateescape")
    reply = rest[cut:].decode("utf-8", "surrogateescape")
    if named:
        # Context from the file itself, so that the mutations start at something that fits.
        middle = "".join(f" {line}\n" for line in text.split("\n")[:4])
        reply = NAMES + "@@ -1,4 +1,5 @@\n" + middle + "+new\n" + reply
    try:
        applied = apply_reply(reply, {"f.py": text}.get)
    except Refused:
        return
    assert applied.diff.paths
    assert set(applied.texts) == set(applied.diff.paths)
    again = apply_reply(applied.diff.text, {"f.py": text}.get)
    assert again.texts == applied.texts, (text, reply)


def main() -> None:
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
