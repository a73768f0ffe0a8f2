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

test("a turn with a tool", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([
    {
      when: { tool: "get_weather", after_tool: false },
      reply: { tool_calls: [{ name: "get_weather", arguments: { city: "Paris" } }] },
    },
    { when: { result_of: "get_weather" }, reply: { template: "It is {{ result }}." } },
  ]);
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
  const messages = [{ role: "user", content: "How is the weather?" }];
  const ask = async () => (await mock.openai.chat.completions.create({ model: "fast", messages, tools })).choices[0];
  const choice = await ask();
  const [call] = choice.message.tool_calls;
  assert.deepEqual([choice.finish_reason, call.function.name], ["tool_calls", "get_weather"]);
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
  messages.push(choice.message, { role: "tool", tool_call_id: call.id, content: "sunny" });
  assert.equal((await ask()).message.content, "It is sunny.");
});

test("an answer of a given form", async (t) => {
  const mock = server.forTest(t.name);
  await mock.rules([{ when: { json: true }, reply: { json: true } }]);
  const properties = { name: { type: "string" }, age: { type: "integer", minimum: 18 } };
  const schema = { type: "object", properties, required: ["name", "age"], additionalProperties: false };
  const form = { type: "json_schema", json_schema: { name: "person", schema, strict: true } };
  const person = JSON.parse(text(await mock.chat("Who?", { response_format: form })));
  assert.deepEqual(Object.keys(person).sort(), ["age", "name"]);
  assert.ok(person.age >= 18);
});

test("embeddings of like texts are near", async (t) => {
  const input = ["the weather in Paris", "weather of Paris", "quarterly tax report"];
  const { data } = await server.forTest(t.name).openai.embeddings.create({ model: "fast", input });
  const near = (a, b) => data[a].embedding.reduce((sum, value, at) => sum + value * data[b].embedding[at], 0);
  assert.ok(near(0, 1) > 2 * near(0, 2));
});
