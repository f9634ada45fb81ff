import os
import sys
import venv
from pathlib import Path

import pytest

from gitagent.adapters import pythons
from gitagent.errors import SandboxError


def test_an_interpreter_or_the_root_of_its_environment_describes_itself(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    by_root = pythons.describe(str(tmp_path / "env"))
    assert by_root.executable == str(tmp_path / "env/bin/python3")
    assert by_root.bin == by_root.prefix + "/bin" == str(tmp_path / "env/bin")
    assert sys.base_prefix in by_root.roots
    assert len(by_root.digest) == 64


def test_what_is_installed_is_in_the_digest(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        venv.create(tmp_path / name, with_pip=False, symlinks=True)
        (site,) = (tmp_path / name).glob("lib/python*/site-packages")
        (site / f"{name}-1.0.dist-info").mkdir()
        digests.add(pythons.describe(str(tmp_path / name)).digest)
    assert len(digests) == 2


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho no json\n", "nothing that runs"])
def test_what_is_no_interpreter_is_named(tmp_path: Path, text: str) -> None:
    fake = tmp_path / "python3"
    fake.write_text(text)
    fake.chmod(0o755)
    with pytest.raises(SandboxError, match="is no Python that runs"):
        pythons.describe(str(fake))


def test_every_link_on_the_way_is_found_also_through_relative_ones_and_loops_end(tmp_path: Path) -> None:
    root = Path(os.path.realpath(tmp_path))
    (root / "real/bin").mkdir(parents=True)
    (root / "real/bin/python").touch()
    (root / "minor").symlink_to("real")
    (root / "env").mkdir()
    (root / "env/python").symlink_to("../minor/bin/python")
    (root / "env/python3").symlink_to(root / "env/python")
    links = pythons.links_on_the_way(str(root / "env/python3"))
    assert links[-3:] == [
        (f"{root}/env/python3", f"{root}/env/python"),
        (f"{root}/env/python", "../minor/bin/python"),
        (f"{root}/minor", "real"),
    ]
    (root / "loop").symlink_to("loop")
    assert len(pythons.links_on_the_way(str(root / "loop"))) == 40
