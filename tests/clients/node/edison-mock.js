// An LLM server for tests, and the real `openai` client in front of it. Copy this file into your project and set
// EDISON_BIN, or put `edison` on the path.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import OpenAI from "openai";

/** Starts the server with a script in TOML. */
export async function startMock(script) {
  const folder = mkdtempSync(join(tmpdir(), "edison-mock-"));
  const [scriptFile, portFile] = [join(folder, "script.toml"), join(folder, "port")];
  writeFileSync(scriptFile, script);
  const args = ["mock", "--script", scriptFile, "--listen", "127.0.0.1:0", "--port-file", portFile];
  const child = spawn(process.env.EDISON_BIN ?? "edison", args, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  // Half a minute at most; the condition is polled, not guessed.
  for (let n = 0; n < 3000 && !existsSync(portFile); n += 1) {
    if (child.exitCode !== null) throw new Error(`edison mock ended with ${child.exitCode}`);
    await pause(10);
  }
  const url = `http://127.0.0.1:${readFileSync(portFile, "utf8").trim()}`;
  return {
    url,
    /** The part of the server that belongs to one test: its own calls, sequences, rules and journal. */
    forTest: (testId) => new MockOfTest(url, testId),
    async stop() {
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

class MockOfTest {
  constructor(url, testId) {
    this.url = url;
    this.headers = { "x-test-id": testId };
    const options = { baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0, defaultHeaders: this.headers };
    this.openai = new OpenAI(options);
  }

  /** Sets what is answered in this test; `rules` are tables of the script format. */
  async rules(rules, more = {}) {
    const headers = { ...this.headers, "content-type": "application/json" };
    const body = JSON.stringify({ strict: true, rules, ...more });
    const response = await fetch(`${this.url}/mock/script`, { method: "POST", headers, body });
    if (!response.ok) throw new Error(await response.text());
  }

  /** What happened in this test, once every request is over. */
  async journal() {
    const response = await fetch(`${this.url}/mock/journal?settle_ms=2000`, { headers: this.headers });
    return response.json();
  }

  chat(content, options = {}, request = undefined) {
    const messages = [{ role: "user", content }];
    return this.openai.chat.completions.create({ model: "fast", messages, ...options }, request);
  }
}
