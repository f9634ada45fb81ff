import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gitagent.adapters import workfiles
from gitagent.errors import SandboxError


def test_what_a_killed_gitagent_left_goes_when_the_next_directory_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os; from gitagent.adapters import workfiles\nwith workfiles.temporary('gitagent-x-'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    with workfiles.temporary("gitagent-x-"):
        assert left.exists()  # too young to be judged
    os.utime(left, (1, 1))
    with workfiles.temporary("gitagent-x-") as held:
        os.utime(held, (1, 1))
        assert not left.exists()
        with workfiles.temporary("gitagent-x-"):
            assert os.path.isdir(held)  # in use, however old
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_hard_linked_elsewhere_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    root = tmp_path / "root"
    root.mkdir()
    os.link(outside, root / "a")
    workfiles.write(str(root), {"a": "new"}, 1000)
    assert (outside.read_text(), (root / "a").read_text()) == ("precious", "new")
    assert (root / "a").stat().st_mtime == 1000


def test_a_directory_in_a_files_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(SandboxError, match="a cannot be written"):
        workfiles.write(str(tmp_path), {"a": "text"}, 0)


def test_a_file_in_a_directorys_place_gives_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("file")
    workfiles.write(str(tmp_path), {"a/b": "text", "a/c": None, "no/such": None}, 0)
    assert (tmp_path / "a/b").read_text() == "text"
    (tmp_path / "f").write_text("file")
    workfiles.write(str(tmp_path), {"f/x": None}, 0)
    assert (tmp_path / "f").read_text() == "file"


def test_only_regular_files_of_bearable_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "big").touch()
    os.truncate(tmp_path / "big", workfiles.COLLECT_BYTES + 1)
    (tmp_path / "ok").write_bytes(b"ok")
    os.symlink("ok", tmp_path / "link")
    found = [
        workfiles.read(str(tmp_path), name)
        for name in ("big", "ok", "./ok", "link", "", "..", "a/../ok", "ok/x", "\0")
    ]
    assert found == [None, b"ok", b"ok", None, None, None, None, None, None]


def test_disk_use_counts_what_is_on_disk_below_all_roots(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(b"x" * 100_000)
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 10**9)
    assert 100_000 <= workfiles.disk_bytes(str(tmp_path), str(tmp_path / "missing")) < 1_000_000


def test_directories_nobody_may_enter_are_removed_all_the_same(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").touch()
    (top / "a/b").chmod(0)
    (top / "a").chmod(0)
    workfiles.remove(str(top))
    assert not top.exists()
