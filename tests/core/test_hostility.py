"""What a change may not reach for, and what it may."""

import pytest

from gitagent.core.hostility import is_suspicious, refusal

PLAIN = 'import os\n\n\ndef size(path):\n    """As pytest would say."""\n    return os.path.getsize(path)\n'


def refused(text: str, original: str = PLAIN, path: str = "pkg/a.py") -> str:
    return refusal({path: text}, {path: original}.get, is_test=lambda name: name.startswith("tests/"))


@pytest.mark.parametrize(
    ("added", "reach"),
    [
        ("import pytest", "pytest"),
        ("from _pytest import reports", "_pytest"),
        ("import unittest.mock", "unittest.mock"),
        ("import gc", "gc"),
        ("from ctypes import CDLL", "ctypes"),
        ("import atexit", "atexit"),
        ("import signal", "signal"),
        ("from os import _exit", "os._exit"),
        ("os._exit(0)", "os._exit"),
        ("import os as o\no.kill(1, 9)", "os.kill"),
        ("import sys\nsys.exit(0)", "sys.exit"),
        ("import sys\nsys.modules.clear()", "sys.modules"),
        ("getattr(os, '_ex' + 'it')(0)", "the inside of os"),
        ("__import__('o' + 's')", "__import__"),
        ("exec('x')", "exec"),
        ("().__class__.__base__.__subclasses__()", "__subclasses__"),
        ("import sys\nsys._getframe()", "sys._getframe"),
        ("open('/proc/self/cmdline')", '"/proc/"'),
        ("os.environ.get('x')", "os.environ"),
        ("print('PYTEST_CURRENT_TEST')", '"PYTEST"'),
        ("import time\ntime.clock_settime(0, 0)", "time.clock_settime"),
    ],
)
def test_the_machinery_of_tests_and_processes_is_out_of_reach(added: str, reach: str) -> None:
    lines = (PLAIN + added).count("\n") + 1
    assert (
        refused(PLAIN + added + "\n") == f"pkg/a.py:{lines} reaches for {reach}, which the file did not do before"
    )


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("getsize", "getmtime"),
        PLAIN + "import json, subprocess, threading\n",
        PLAIN + "# import pytest\n",
        PLAIN.replace("As pytest would say", "As unittest would say"),
        PLAIN + "def more():\n    'Not for pytest.'\n    raise SystemExit(2)\n",
        "import pytest (",
    ],
)
def test_what_ordinary_fixes_do_is_let_pass(text: str) -> None:
    assert refused(text) == ""


def test_what_the_file_did_before_it_may_go_on_doing() -> None:
    before = "import sys\n\n\ndef main():\n    sys.exit(1)\n"
    assert refused(before.replace("sys.exit(1)", "sys.exit(2)"), before) == ""
    assert refused(before + "import signal\n", before).startswith("pkg/a.py:6 reaches for signal")


def test_test_files_and_other_languages_are_no_business_of_the_gate() -> None:
    assert refused("import pytest\n", path="tests/test_a.py") == ""
    assert refused("import pytest\n", path="notes.txt") == ""
    assert refusal({"a.py": None}, {}.get) == ""


def test_files_that_run_whenever_python_starts_are_refused() -> None:
    assert "whenever Python starts" in refused("import os\n", path="pkg/sitecustomize.py")
    assert "whenever Python starts" in refused("import os\n", path="x.pth")


def test_suspicion_looks_at_added_lines_only() -> None:
    assert not is_suspicious({"a.py": PLAIN + "x = 1\n"}, {"a.py": PLAIN})
    assert is_suspicious({"a.py": PLAIN + "import re\n"}, {"a.py": PLAIN})
    assert is_suspicious({"new.py": "open('x')\n", "gone.py": None}, {})
