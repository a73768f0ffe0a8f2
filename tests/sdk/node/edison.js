// Running servers for the tests of the official packages, each on a free port.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const CONFIG = `
[[models]]
name = "fast"
builtin = "fast"

[[models]]
name = "deep"
builtin = "deep"

[tiers]
fast = "fast"
deep = "deep"
`;

// The demo models were never trained to call tools. This one calls, and then says what came of it.
const SCRIPT = `
[[models]]
name = "fast"

[[rules]]
when = { tool = "get_weather", after_tool = false }
reply = { tool_calls = [{ name = "get_weather", arguments = { city = "Paris" } }] }

[[rules]]
when = { result_of = "get_weather" }
reply = { template = "It is {{ result }}." }
`;

/** Starts a server with two of the models that it ships with. */
export const start = () => run("serve", "--config", CONFIG);

/** Starts a server whose model calls tools. */
export const startCaller = () => run("mock", "--script", SCRIPT);

async function run(command, option, text) {
  const folder = mkdtempSync(join(tmpdir(), "edison-sdk-"));
  const [file, portFile] = [join(folder, "edison.toml"), join(folder, "port")];
  writeFileSync(file, text);
  const args = [command, option, file, "--listen", "127.0.0.1:0", "--port-file", portFile];
  const child = spawn(process.env.EDISON_BIN ?? "edison", args, { stdio: ["ignore", "ignore", "ignore"] });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  // A minute at most; the condition is polled, not guessed.
  for (let n = 0; n < 6000 && !existsSync(portFile); n += 1) {
    if (child.exitCode !== null) throw new Error(`edison ${command} ended with ${child.exitCode}`);
    await pause(10);
  }
  return {
    baseURL: `http://127.0.0.1:${readFileSync(portFile, "utf8").trim()}/v1`,
    async stop() {
      child.kill("SIGTERM");
      const code = await ended;
      rmSync(folder, { recursive: true, force: true });
      if (code !== 0) throw new Error(`SIGTERM must end the server properly, it ended with ${code}`);
    },
  };
}
