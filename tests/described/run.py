"""schemathesis over /openapi.json of `edison mock`: no 5xx, and no answer outside of its description.

    EDISON_BIN=target/debug/edison python tests/described/run.py

Draws the same requests every time. EDISON_EXAMPLES is how many it draws for each operation.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = """
[[models]]
name = "fast"

[[models]]
name = "other"
aliases = ["org/other"]
"""

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]


def main():
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="edison-described-") as folder:
        script, port_file, log = Path(folder, "script.toml"), Path(folder, "port"), Path(folder, "log")
        script.write_text(SCRIPT)
        command = [os.environ["EDISON_BIN"], "mock", "--script", str(script)]
        command += ["--listen", "127.0.0.1:0", "--port-file", str(port_file)]
        with open(log, "w") as out:
            server = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            for _ in range(3000):  # half a minute at most; the condition is polled, not guessed
                if port_file.exists():
                    break
                if server.poll() is not None:
                    raise SystemExit(f"edison mock ended with {server.returncode}:\n{log.read_text()}")
                time.sleep(0.01)
            url = f"http://127.0.0.1:{port_file.read_text().strip()}"
            code = draw(url, here, folder)
            if server.poll() is not None:
                raise SystemExit(f"edison mock ended with {server.returncode}:\n{log.read_text()[-4000:]}")
            raise SystemExit(code)
        finally:
            server.terminate()
            server.wait(timeout=30)


def draw(url, here, folder):
    """Asks, judges, and tells schemathesis' own exit code."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", os.environ.get("EDISON_EXAMPLES", "20"), "--seed", "1", "--generation-database", "none"]
    # The warnings are about what it did not reach; what was reached is counted below them.
    command += ["--continue-on-failure", "--warnings", "off", "--request-timeout", "20"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(here)}
    return subprocess.run(command, env=environment, cwd=folder).returncode


if __name__ == "__main__":
    main()
