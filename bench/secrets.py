"""False alarms of the secrets' detector on the standard library, planted secrets that it lets through, its speed."""

import sys
import sysconfig
import time
from pathlib import Path

from gitagent.core.secrets import redact
from tests.secret_samples import samples


def report() -> None:
    """Print both counts and the speed, over all `.py` files of this Python's standard library."""
    planted = list(samples())
    through = [kind for kind, line, secret in planted if secret in redact(line).text]
    print(
        f"\nplanted: {len(planted)} of {len({kind for kind, _, _ in planted})} kinds; through: {through or 'none'}"
    )
    files = [
        path for path in Path(sysconfig.get_path("stdlib")).rglob("*.py") if "site-packages" not in path.parts
    ]
    texts = {path: path.read_bytes().decode("utf-8", "replace") for path in files}
    redact("".join(line for _, line, _ in planted))  # loads the plugins
    began = time.monotonic()
    alarms = {path: found for path, text in texts.items() if (found := list(redact(text).secrets.values()))}
    seconds = time.monotonic() - began
    size = sum(map(len, texts.values())) / 1e6
    print(
        f"standard library of Python {sys.version.split()[0]}: {len(texts):,} files, {size:.1f} MB, false alarms: "
        f"{sum(map(len, alarms.values()))}; {size / seconds:.1f} MB/s, {seconds / size * 16:.2f} ms for 16 kB"
    )
    for path, found in alarms.items():
        print(f"  {path}: {found}")
