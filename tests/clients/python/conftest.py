"""An LLM server for each test session, and an `openai` client for each test.

Copy this file into your project and set EDISON_BIN, or put `edison` on the path. The server starts once; each test has
calls, sequences, rules and a journal of its own, told apart by the header `x-test-id`, so tests can run side by side.
"""
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import openai
import pytest

SCRIPT = """
strict = true

[[models]]
name = "fast"
aliases = ["gpt-4o-mini"]
"""


class Mock:
    """The part of the server that belongs to one test."""

    def __init__(self, url, test_id):
        self.url, self.test_id = url, test_id
        self.client = openai.OpenAI(
            base_url=f"{url}/v1", api_key="unused", max_retries=0, default_headers={"x-test-id": test_id}
        )

    def rules(self, *rules, **script):
        """Sets what is answered in this test; `rules` are tables of the script format."""
        self._call("POST", "/mock/script", {"strict": True, "rules": list(rules), **script})

    def journal(self):
        """What happened in this test, once every request is over."""
        return self._call("GET", "/mock/journal?settle_ms=2000")

    def chat(self, text, **options):
        messages = [{"role": "user", "content": text}]
        return self.client.chat.completions.create(model="fast", messages=messages, **options)

    def _call(self, method, path, body=None):
        headers = {"x-test-id": self.test_id, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"null")


@pytest.fixture(scope="session")
def edison_mock():
    """The address of the server."""
    with tempfile.TemporaryDirectory(prefix="edison-mock-") as folder:
        script, port_file = Path(folder, "script.toml"), Path(folder, "port")
        script.write_text(SCRIPT)
        command = [os.environ.get("EDISON_BIN", "edison"), "mock", "--script", str(script)]
        command += ["--listen", "127.0.0.1:0", "--port-file", str(port_file)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(3000):  # half a minute at most; the condition is polled, not guessed
                if port_file.exists():
                    break
                if process.poll() is not None:
                    raise RuntimeError(f"edison mock ended with {process.returncode}")
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def mock(edison_mock, request):
    """The server, as this test sees it."""
    with_client = Mock(edison_mock, request.node.nodeid)
    yield with_client
    with_client.client.close()
    assert with_client.journal()["overlaps"] == 0, "an engine was entered twice"
