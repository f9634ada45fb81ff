"""What every sandbox does alike, in each of them: docker, bubblewrap, and none where it can be asked of it."""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitagent.adapters import workfiles
from gitagent.errors import SandboxError
from tests.adapters.sandboxing import LIMITS, alive, sandbox_of, tree

BOXED = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
]
ALL = [*BOXED, "none"]


@pytest.fixture(params=ALL)
def sandbox(request: pytest.FixtureRequest) -> Any:
    return sandbox_of(request.param)


@pytest.fixture(params=BOXED)
def boxed(request: pytest.FixtureRequest) -> Any:
    return sandbox_of(request.param)


@pytest.fixture
def workspace(sandbox: Any) -> Iterator[Any]:
    with sandbox.open(tree({"a.txt": "one\n"}), LIMITS) as workspace:
        yield workspace


@pytest.fixture
def box(boxed: Any) -> Iterator[Any]:
    with boxed.open(tree({"a.txt": "one\n"}), LIMITS) as workspace:
        yield workspace


def sh(workspace: Any, script: str, **more: Any) -> Any:
    return workspace.run(["sh", "-c", script], **({"timeout_seconds": 20.0} | more))


def python(workspace: Any, script: str, **more: Any) -> Any:
    return workspace.run(["python3", "-c", textwrap.dedent(script)], **({"timeout_seconds": 20.0} | more))


def test_a_command_runs_at_the_root_of_the_tree_and_its_output_and_exit_code_come_back(workspace: Any) -> None:
    done = sh(workspace, "cat a.txt; echo two >&2; exit 3")
    assert (done.exit_code, done.output, done.timed_out) == (3, "one\ntwo\n", False)
    assert done.argv == ("sh", "-c", "cat a.txt; echo two >&2; exit 3")


def test_a_command_that_is_not_there_is_an_execution_with_127(workspace: Any) -> None:
    assert workspace.run(["no-such-command"], timeout_seconds=20.0).exit_code == 127


def test_a_command_killed_by_a_signal_exits_as_in_a_shell(workspace: Any) -> None:
    assert sh(workspace, "kill -TERM $$").exit_code == 143


def test_stdin_reaches_the_command_whole_and_ends(workspace: Any) -> None:
    sent = bytes(range(256)) * 4000
    script = "import sys, hashlib; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    assert python(workspace, script, stdin=sent).output.strip() == hashlib.sha256(sent).hexdigest()
    assert python(workspace, "import sys; print(repr(sys.stdin.read()))").output == "''\n"


def test_a_command_that_reads_nothing_is_not_held_up_by_its_stdin(workspace: Any) -> None:
    assert sh(workspace, "echo done", stdin=b"x" * 1_000_000).output == "done\n"


def test_bytes_names_modes_and_links_of_the_tree_arrive_as_they_are(sandbox: Any) -> None:
    odd = os.fsdecode(b"caf\xe9/na\nme.txt")

    def fill(directory: str) -> None:
        tree({"run.sh!": "#!/bin/sh\necho ran\n", "crlf.txt": b"a\r\nb\r\n\x00\xff", odd: "odd"})(directory)
        os.symlink("crlf.txt", os.path.join(directory, "link"))
        os.mkdir(os.path.join(directory, "empty"))

    with sandbox.open(fill, LIMITS) as workspace:
        done = python(
            workspace,
            r"""
            import os, subprocess
            print(subprocess.run(["./run.sh"], capture_output=True, text=True).stdout)
            print(open("crlf.txt", "rb").read(), os.readlink("link"), os.path.isdir("empty"))
            print(os.access("crlf.txt", os.X_OK), open(b"caf\xe9/na\nme.txt").read())
            """,
        )
    assert done.output == "ran\n\nb'a\\r\\nb\\r\\n\\x00\\xff' crlf.txt True\nFalse odd\n"


def test_write_replaces_adds_and_deletes_only_the_files_named(sandbox: Any) -> None:
    files = {"a.txt": "old\n", "b.txt": "stays\n", "c.txt": "goes\n", "run.sh!": "#!/bin/sh\nexit 1\n"}
    with sandbox.open(tree(files), LIMITS) as workspace:
        odd = os.fsdecode(b"\xff.txt")
        workspace.write(
            {"a.txt": "new\r\n\udcff", "deep/er/d.txt": "made", "c.txt": None, "absent": None, odd: "odd"}
        )
        workspace.write({"run.sh": "#!/bin/sh\necho still executable\n"})
        done = sh(workspace, "od -c a.txt | head -2; cat b.txt deep/er/d.txt; ls; ./run.sh")
        assert "n   e   w  \\r  \\n 377" in done.output
        assert "stays\nmade" in done.output
        assert "c.txt" not in done.output
        assert "still executable" in done.output
        workspace.write({odd: None})
        assert python(workspace, r"import os; print(os.path.exists(b'\xff.txt'))").output == "False\n"


def test_each_write_is_seconds_newer_so_that_no_cache_by_time_and_size_can_lie(workspace: Any) -> None:
    times = []
    for text in ("x = 1\n", "x = 2\n", "x = 3\n"):
        workspace.write({"mod.py": text})
        times.append(int(python(workspace, "import os; print(int(os.stat('mod.py').st_mtime))").output))
    assert times[0] < times[1] < times[2]


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a/../../x", "", "a//b", ".git/config", "./a"])
def test_write_refuses_paths_that_lead_out_of_the_tree(workspace: Any, path: str) -> None:
    with pytest.raises(SandboxError, match="no path inside the tree"):
        workspace.write({path: "x"})


def test_links_planted_in_the_tree_lead_neither_write_nor_collect_to_host_files(
    sandbox: Any, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    victim = tmp_path / "victim"
    victim.mkdir()
    with sandbox.open(tree({"a.txt": "one\n"}), LIMITS) as workspace:
        root = sh(workspace, "pwd").output.strip()
        done = sh(
            workspace, f"ln -sf {secret} a.txt; ln -s {victim} dir; ln -s {secret} r; mkfifo pipe; mkdir d; pwd"
        )
        assert done.exit_code == 0
        paths = [f"{root}/{name}" for name in ("r", "dir/x", "pipe", "d", "../../etc/shadow", "a.txt")]
        assert sh(workspace, "true", collect=[*paths, str(secret), "/etc/shadow", "relative"]).files == {}
        workspace.write({"a.txt": "mine"})
        assert sh(workspace, "cat a.txt; test -L a.txt && echo link").output == "mine"
        with contextlib.suppress(SandboxError):  # refusing is as good as putting a directory in the link's place
            workspace.write({"dir/x": "planted", "dir/y": None})
    assert secret.read_text() == "the secret"
    assert list(victim.iterdir()) == []


def test_result_files_come_back_by_absolute_path_and_missing_ones_do_not(workspace: Any) -> None:
    name = f"/tmp/gitagent-test-{uuid.uuid4().hex}"
    root = sh(workspace, "pwd").output.strip()
    done = sh(
        workspace, f"printf 'a\\000b\\r\\n' > {name}; echo x > r.xml", collect=[name, f"{root}/r.xml", "/tmp/no"]
    )
    assert done.files == {name: b"a\x00b\r\n", f"{root}/r.xml": b"x\n"}


def test_result_files_written_before_the_time_was_up_come_back(workspace: Any) -> None:
    root = sh(workspace, "pwd").output.strip()
    done = sh(workspace, "echo part > r.txt; sleep 600", timeout_seconds=1.0, collect=[f"{root}/r.txt"])
    assert (done.timed_out, done.exit_code, done.files) == (True, None, {f"{root}/r.txt": b"part\n"})


def test_a_result_file_too_large_is_left_where_it_is(sandbox: Any) -> None:
    with sandbox.open(tree({}), replace(LIMITS, disk_bytes=10 * 1024**3)) as workspace:
        root = sh(workspace, "pwd").output.strip()
        done = sh(workspace, "truncate -s 3G big", collect=[f"{root}/big"])
    assert (done.exit_code, done.files) == (0, {})


def test_output_beyond_the_limit_loses_its_middle_and_says_so(workspace: Any) -> None:
    done = sh(workspace, "echo first; yes | head -c 300000000; echo; echo last")
    assert done.exit_code == 0
    assert done.output.startswith("first\ny\n")
    assert done.output.endswith("\nlast\n")
    assert "bytes of output cut here" in done.output
    assert len(done.output) < LIMITS.output_bytes + 200


def test_output_that_is_no_text_is_still_told(workspace: Any) -> None:
    assert sh(workspace, r"printf 'a\377b\033[1m'").output == "a�b\x1b[1m"


def test_a_loop_is_killed_with_the_daemons_it_left_and_the_workspace_goes_on(workspace: Any) -> None:
    marker = f"7{uuid.uuid4().int % 10**7}"
    script = f"(setsid sleep {marker} &) ; nohup sleep {marker} & trap '' TERM HUP; while :; do :; done"
    done = sh(workspace, script, timeout_seconds=1.0)
    assert (done.timed_out, done.exit_code) == (True, None)
    assert alive(marker) == []
    assert sh(workspace, "cat a.txt").output == "one\n"


def test_a_daemon_does_not_outlive_its_command_nor_hold_up_its_end(workspace: Any) -> None:
    marker = f"7{uuid.uuid4().int % 10**7}"
    done = sh(workspace, f"setsid sleep {marker} & echo started")
    assert (done.exit_code, done.output) == (0, "started\n")
    assert alive(marker) == []


def test_files_stay_between_commands(workspace: Any) -> None:
    sh(workspace, "echo kept > made.txt")
    assert sh(workspace, "cat made.txt").output == "kept\n"


def test_no_variable_of_ours_is_seen(sandbox: Any) -> None:
    # The environment of this very process is what must not leak; it has far more than these.
    with sandbox.open(tree({}), LIMITS) as workspace:
        seen = python(workspace, "import os; print(*os.environ)").output.split()
    allowed = {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "PWD", "SHLVL", "OLDPWD", "_"),
        *("PYTHONDONTWRITEBYTECODE", "HOSTNAME", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "JAVA_HOME"),
        *("GOROOT", "RUSTUP_HOME", "CARGO_HOME", "container"),  # the last is Podman's
    }
    assert set(seen) <= allowed
    assert len(os.environ) > 5


def test_there_is_no_network_but_the_sandboxs_own_loopback(box: Any) -> None:
    done = python(
        box,
        """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
        print([name for _, name in socket.if_nameindex() if name not in ("lo", "sit0", "tunl0", "ip6tnl0")])
        for address in ("192.0.2.1", "10.255.255.53", "8.8.8.8"):
            try:
                socket.create_connection((address, 53), timeout=3)
                print("reached", address)
            except OSError as error:
                print(type(error).__name__)
        """,
    )
    assert done.output == "[]\n" + "OSError\n" * 3


def test_a_server_of_the_host_cannot_be_reached(box: Any) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = python(box, f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=3)")
    assert "ConnectionRefusedError" in done.output


def test_host_files_are_not_there_to_be_read(box: Any, tmp_path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=Path.home(), prefix=".gitagent-secret-") as secret:
        Path(secret.name).write_text("token")
        paths = f"~root/.gitagent-s* {secret.name} /etc/shadow {tmp_path} /var/run/docker.sock ~root/.ssh/*"
        done = sh(box, f"cat {paths} 2>&1; ls /home /root")
    assert "token" not in done.output
    assert "docker.sock: No such file" in done.output
    assert ":99999:" not in done.output  # as lines of a shadow file have


def test_nothing_but_the_work_and_temporary_directories_can_be_written(box: Any) -> None:
    done = python(
        box,
        """
        import os
        wrong = []
        for top, dirs, files in os.walk("/"):
            if top == os.getcwd() or top.startswith(("/proc", "/sys", "/tmp", "/dev/shm", "/dev/mqueue")):
                dirs[:] = []
                continue
            try:
                name = os.path.join(top, "gitagent-probe")
                open(name, "w").close()
                wrong.append(name)
            except OSError:
                pass
        print(wrong)
        open("here", "w"), open("/tmp/there", "w"), open(os.path.expanduser("~/home"), "w")
        """,
    )
    assert (done.exit_code, done.output) == (0, "[]\n")


def test_the_command_is_not_root_and_can_gain_nothing(box: Any) -> None:
    done = sh(box, "id -u; id -G; grep -E 'NoNewPrivs|CapPrm|CapEff' /proc/self/status")
    uid, groups, *lines = done.output.split("\n")
    assert uid not in ("", "0")
    assert "0" not in groups.split()
    assert [line.split()[1] for line in lines if line] == ["0000000000000000", "0000000000000000", "1"]


def test_a_fork_bomb_is_contained_and_cleared_away(box: Any) -> None:
    marker = f"7{uuid.uuid4().int % 10**7}"
    done = python(
        box,
        f"""
        import os, time
        born = 0
        for _ in range(400):
            try:
                if os.fork() == 0:
                    os.execvp("sleep", ["sleep", "{marker}"])
                born += 1
            except OSError:
                break
        print("born", born, flush=True)
        time.sleep(600)
        """,
        timeout_seconds=3.0,
    )
    assert done.timed_out
    assert int(done.output.split()[1]) <= LIMITS.processes
    assert alive(marker) == []
    assert sh(box, "cat a.txt").output == "one\n"


def test_a_memory_bomb_ends_and_the_workspace_goes_on(box: Any) -> None:
    done = python(box, "kept = [bytearray(16 * 1024**2) for _ in range(60)]; print('survived')")
    assert done.exit_code not in (0, None)
    assert "survived" not in done.output
    assert sh(box, "cat a.txt").output == "one\n"


def test_a_disk_bomb_ends(box: Any) -> None:
    done = sh(box, "dd if=/dev/zero of=big bs=1M count=200 2>&1; ls -s big")
    assert int(done.output.strip().split("\n")[-1].split()[0]) <= LIMITS.disk_bytes // 1024
    assert any(said in done.output for said in ("File too large", "File size limit", "No space left"))


def test_many_files_that_together_are_too_large_end_the_command(box: Any) -> None:
    done = python(
        box,
        """
        import time
        for number in range(40):
            open(f"part{number}", "wb").write(b"x" * 4 * 1024**2)
        time.sleep(15)
        """,
    )
    assert done.exit_code not in (0, None)


def test_the_workspace_is_gone_after_an_error_in_it(sandbox: Any) -> None:
    before = set(os.listdir(workfiles._place()))
    marker = f"7{uuid.uuid4().int % 10**7}"

    def fail() -> None:
        with sandbox.open(tree({"a": "b"}), LIMITS) as workspace:
            locked = "mkdir -p locked/in; echo x > locked/in/file; chmod 0 locked/in locked"
            assert sh(workspace, f"setsid sleep {marker} & {locked}").exit_code == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert alive(marker) == []
    assert [name for name in set(os.listdir(workfiles._place())) - before if name.startswith("gitagent-")] == []


def test_an_error_of_fill_is_told_as_it_is_and_nothing_is_left(sandbox: Any) -> None:
    before = set(os.listdir(workfiles._place()))

    def fill(directory: str) -> None:
        raise ValueError(directory)

    with pytest.raises(ValueError), sandbox.open(fill, LIMITS):
        pytest.fail("opened")
    assert [name for name in set(os.listdir(workfiles._place())) - before if name.startswith("gitagent-")] == []


def test_when_we_are_killed_the_command_is_killed_too(sandbox: Any, tmp_path: Path) -> None:
    marker = f"7{uuid.uuid4().int % 10**7}"
    script = f"""
import sys
from tests.adapters.sandboxing import LIMITS, sandbox_of, tree
with sandbox_of({sandbox.name!r}).open(tree({{}}), LIMITS) as workspace:
    workspace.run(["sh", "-c", "setsid sleep {marker} & sleep {marker}"], timeout_seconds=60.0)
"""
    environ = {**os.environ, "PYTHONPATH": os.getcwd(), "TMPDIR": str(tmp_path)}
    ours = subprocess.Popen([sys.executable, "-c", script], env=environ)
    try:
        assert _eventually(lambda: len(_sleepers(marker)) == 2)
    finally:
        ours.kill()
        ours.wait()
    assert _eventually(lambda: _sleepers(marker) == [])


def test_the_identity_is_a_digest_and_stays_the_same(sandbox: Any) -> None:
    kind, algorithm, digest = sandbox.identity().split(":")
    assert (kind, algorithm, len(digest)) == (sandbox.name, "sha256", 64)
    assert sandbox.identity() == sandbox_of(sandbox.name).identity()


def test_pytest_runs_inside_and_its_junit_file_comes_back(sandbox: Any) -> None:
    files = {
        "calc.py": "def add(a, b):\n    return a - b\n",
        "test_calc.py": "import calc\ndef test_add():\n    assert calc.add(1, 2) == 3\n",
    }
    command = [
        "env",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1",
        "python3",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    with sandbox.open(tree(files), LIMITS) as workspace:
        root = sh(workspace, "pwd").output.strip()
        argv = [*command, f"--junitxml={root}/results.xml"]
        red = workspace.run(argv, timeout_seconds=20.0, collect=[f"{root}/results.xml"])
        workspace.write({"calc.py": "def add(a, b):\n    return a + b\n"})
        green = workspace.run(argv, timeout_seconds=20.0, collect=[f"{root}/results.xml"])
    assert (red.exit_code, green.exit_code) == (1, 0)
    assert b'failures="1"' in red.files[f"{root}/results.xml"]
    assert b'failures="0"' in green.files[f"{root}/results.xml"]


def _sleepers(marker: str) -> list[int]:
    found = []
    for pid in alive(marker):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if line.startswith(b"sleep\0"):
            found.append(pid)
    return found


def _eventually(holds: Any, seconds: float = 15.0) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
