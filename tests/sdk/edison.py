"""Running servers for the tests of the official packages, each on a free port."""
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

# The queue of "deep" holds nobody, so that a second request meets a full queue.
CONFIG = """
[[models]]
name = "fast"
builtin = "fast"

[[models]]
name = "deep"
builtin = "deep"
queue_max = 0

[tiers]
fast = "fast"
deep = "deep"
"""


# The demo models were never trained to call tools. This one calls, and then says what came of it; and it says how many
# pictures it was shown.
SCRIPT = """
[[models]]
name = "fast"

[[rules]]
when = { tool = "get_weather", after_tool = false }
reply = { tool_calls = [{ name = "get_weather", arguments = { city = "Paris" } }] }

[[rules]]
when = { result_of = "get_weather" }
reply = { template = "It is {{ result }}." }

[[rules]]
when = { images = 1 }
reply = "One picture."
"""

# A pixel.
GIF = "R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs="


def start():
    """Starts the server and waits until every model is loaded -> (process, base address)."""
    return run("serve", "--config", CONFIG)


def start_caller():
    """Starts a server whose model calls tools -> (process, base address)."""
    return run("mock", "--script", SCRIPT)


def run(command, option, text):
    folder = tempfile.mkdtemp(prefix="edison-sdk-")
    file, port_file, log = (os.path.join(folder, name) for name in ["edison.toml", "port", "log"])
    Path(file).write_text(text)
    command = [os.environ["EDISON_BIN"], command, option, file, "--listen", "127.0.0.1:0", "--port-file", port_file]
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    for _ in range(6000):                     # a minute at most; the condition is polled, not guessed
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode} before it was ready:\n{Path(log).read_text()}")
        if os.path.exists(port_file) and Path(port_file).read_text().strip():
            return process, f"http://127.0.0.1:{Path(port_file).read_text().strip()}"
        time.sleep(0.01)
    raise SystemExit(f"the server did not listen within a minute:\n{Path(log).read_text()}")


def stop(process):
    """Asks the server to end, and demands that it does so properly."""
    process.terminate()
    code = process.wait(timeout=60)
    assert code == 0, f"SIGTERM must end the server properly, it ended with {code}"


class Case(unittest.TestCase):
    """Tests of a package beside two servers: one with the demo models, and one whose model calls tools."""

    @classmethod
    def setUpClass(cls):
        cls.served, cls.base = start()
        # A class whose setup failed is not torn down: a server would stay.
        cls.addClassCleanup(stop, cls.served)
        cls.caller, cls.caller_base = start_caller()
        cls.addClassCleanup(stop, cls.caller)


def ask(text):
    """A conversation of one message."""
    return [{"role": "user", "content": text}]
