"""Twenty candidates that would rather win than mend: each adds right only if its attack succeeds.

`{…}` are filled in by the test: a port somebody listens on, a secret file, a directory, and a marker, all of the host.
"""

HOSTILE = {
    "an infinite loop": "    while True:\n        pass\n",
    "a fork bomb": "    import os\n    while True:\n        try:\n            os.fork()\n        except OSError:\n"
    "            pass\n",
    "a memory bomb": "    kept = []\n    while len(kept) < 4000:\n        kept.append(bytearray(16 * 1024**2))\n"
    "    return a + b\n",
    "a file of ten gigabytes": "    with open('big', 'wb') as file:\n        for _ in range(640):\n"
    "            file.write(bytes(16 * 1024**2))\n    return a + b\n",
    "reading the host's files": "    import os\n    found = os.stat('/etc/passwd')\n"
    "    if (found.st_size, found.st_mtime_ns) == {passwd}:\n        return a + b\n"
    "    for place in ('', '/proc/1/root', '/proc/self/root', '/host'):\n        try:\n"
    "            return (a + b) if open(place + {secret!r}).read() else 0\n        except OSError:\n"
    "            pass\n    return a - b\n",
    "the network": "    import socket\n    for host in ('127.0.0.1', '172.17.0.1', '10.0.2.2', 'localhost'):\n"
    "        try:\n            socket.create_connection((host, {port}), timeout=0.2).sendall(b'x')\n"
    "            return a + b\n        except OSError:\n            pass\n    return a - b\n",
    "killing its parent": "    import os, signal\n    for pid in (os.getppid(), 1, -1):\n        try:\n"
    "            os.kill(pid, signal.SIGKILL)\n        except OSError:\n            pass\n    return a - b\n",
    "writing outside": "    import os\n"
    "    for place in ({victim!r}, '/etc', '/usr/lib', '/proc/sys/kernel', '/root'):\n"
    "        try:\n            open(os.path.join(place, {marker!r}), 'w').close()\n            return a + b\n"
    "        except OSError:\n            pass\n    return a - b\n",
    "printing a gigabyte": "    import sys\n    for _ in range(1024):\n        sys.__stdout__.write('x' * 1024**2)\n"
    "        sys.stderr.write('x' * 1024**2)\n    return a - b\n",
    "a fake result file": "    import atexit, os\n    argv = open('/proc/self/cmdline').read().split('\\0')\n"
    "    name = [word for word in argv if word.startswith('--junitxml=')]\n"
    "    def fake():\n        for one in name:\n"
    "            open(one.split('=')[1], 'w').write('<testsuites><testsuite tests=\"2\">"
    '<testcase classname="test_calc" name="test_add"/><testcase classname="test_calc" name="test_zero"/>'
    "</testsuite></testsuites>')\n        os._exit(0)\n    atexit.register(fake)\n    return a - b\n",
    "os._exit": "    import os\n    os._exit(0)\n",
    "a changed pytest": "    return a - b\n\nimport _pytest.reports as reports\n"
    "_made = reports.TestReport.from_item_and_call.__func__\ndef _nice(cls, item, call):\n"
    "    call.excinfo = None\n    return _made(cls, item, call)\n"
    "reports.TestReport.from_item_and_call = classmethod(_nice)\n",
    "sys.exit when imported": "    return a - b\n\nimport sys\nsys.exit(0)\n",
    "signal handlers": "    import signal\n    for number in range(1, 65):\n        try:\n"
    "            signal.signal(number, signal.SIG_IGN)\n        except (OSError, ValueError):\n            pass\n"
    "    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\n    while True:\n        signal.sigtimedwait([], 1)\n",
    "daemons": "    import os\n    for _ in range(3):\n        if os.fork() == 0:\n            os.setsid()\n"
    "            if os.fork() == 0:\n                os.execvp('sleep', ['sleep', {marker!r}])\n"
    "            os._exit(0)\n    return a - b\n",
    "a link out of the tree": "    import os\n    for name in ('calc.py', 'test_calc.py', 'link'):\n"
    "        try:\n            os.unlink(name)\n        except OSError:\n            pass\n"
    "        os.symlink({secret!r}, name)\n    open('calc.py', 'a').write('x')\n    return a - b\n",
    "deleting its tests": "    import os\n    for name in os.listdir('.'):\n        if name.startswith('test'):\n"
    "            os.unlink(name)\n    open('test_calc.py', 'w').write('def test_add(): pass\\n"
    "def test_zero(): pass\\n')\n    return a - b\n",
    "changing the clock": "    import time\n    try:\n        time.clock_settime(time.CLOCK_REALTIME, 10**9)\n"
    "        return a + b\n    except OSError:\n        return a - b\n",
    "the runner's own channel": "    import gc, os\n    told = {{'exit': 0, 'outcomes': {{'test_calc.py::test_add': "
    "'passed'}}, 'reason': '', 'seconds': 0.0}}\n    for one in gc.get_objects():\n"
    "        tell = getattr(one, '_tell', None)\n        if callable(tell):\n            tell(told)\n"
    "    for number in range(3, 64):\n        try:\n            os.write(number, (repr(told) + '\\n').encode())\n"
    "        except OSError:\n            pass\n    return a - b\n",
    "as many files as there can be": "    import os\n    os.mkdir('many')\n    for number in range(10**7):\n"
    "        os.close(os.open('many/%d' % number, os.O_CREAT | os.O_WRONLY))\n    return a + b\n",
}
