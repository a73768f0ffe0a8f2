// The real `openai` package against `edison mock`: what a program does when its LLM does this or that.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import OpenAI from "openai";

import { startMock } from "./edison-mock.js";

let server;

before(async () => {
  server = await startMock('strict = true\n[[models]]\nname = "fast"\n');
});

after(() => server?.stop());

const text = (reply) => reply.choices[0].message.content;

test("a rule answers", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ when: { user_regex: "capital of (France|Italy)" }, reply: "Paris." }]);
  assert.equal(text(await mock.chat("What is the capital of France?")), "Paris.");
});

test("a stream comes in pieces", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ reply: { template: "You said {{ user | upper }}." } }]);
  const pieces = [];
  for await (const chunk of await mock.chat("hello", { stream: true })) {
    pieces.push(chunk.choices[0]?.delta?.content ?? "");
  }
  assert.equal(pieces.join(""), "You said HELLO.");
  assert.ok(pieces.length > 3);
});

test("replies come one after the other", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ reply: ["one", "two"], then: "cycle" }]);
  const texts = [];
  for (let n = 0; n < 3; n += 1) texts.push(text(await mock.chat("x")));
  assert.deepEqual(texts, ["one", "two", "one"]);
});

test("a request that nobody expected names the closest rule", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ name: "weather", when: { user_contains: "weather" }, reply: "Sunny." }]);
  await assert.rejects(mock.chat("What time is it?"), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.match(error.message, /the closest is rule 1 "weather"/);
    return true;
  });
});

test("a rate limit is survived by the client itself", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ reply: [{ fault: { status: 429, retry_after: "5ms" } }, "At last."] }]);
  assert.equal(text(await mock.chat("x", {}, { maxRetries: 2, headers: { "x-test-id": t.name } })), "At last.");
  const { requests } = await mock.journal();
  assert.deepEqual(requests.map((request) => request.status), [429, 200]);
});

test("a connection that is cut is an error and not a short answer", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ reply: { text: "This sentence will not be finished.", fault: { disconnect_after: 2 } } }]);
  let seen = "";
  await assert.rejects(async () => {
    for await (const chunk of await mock.chat("x", { stream: true })) seen += chunk.choices[0]?.delta?.content ?? "";
  });
  assert.ok(seen.length > 0 && !seen.includes("finished"), seen);
});

test("a malformed event is an error", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ reply: { text: "This sentence will not be finished.", fault: { malformed_after: 1 } } }]);
  await assert.rejects(async () => {
    for await (const chunk of await mock.chat("x", { stream: true })) void chunk;
  }, SyntaxError);
});

test("leaving frees the model, and the journal tells when", async (t) => {
  const mock = server.forTest(t.name);
  const hangs = { reply: { text: "never ends", fault: { hang_after: 1 } }, times: 1 };
  await mock.rules([hangs, { reply: "next" }]);
  const stream = await mock.chat("x", { stream: true });
  for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
  assert.equal(text(await mock.chat("x")), "next");
  const journal = await mock.journal();
  const [left, served] = journal.requests;
  assert.deepEqual([left.outcome, left.phase], ["cancelled", "decode"]);
  assert.ok(served.ticket > left.ticket);
  assert.equal(journal.overlaps, 0);
});
