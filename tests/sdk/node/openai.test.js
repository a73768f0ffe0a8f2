// The official `openai` package for Node against a running server: chat, stream, tools, JSON schema, errors, abort.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import OpenAI from "openai";

import { start, startCaller } from "./edison.js";

let servers;
let client;
let calling;
before(async () => {
  servers = [await start(), await startCaller()];
  const connect = ({ baseURL }) => new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
  [client, calling] = servers.map(connect);
});
after(() => Promise.all(servers.map((server) => server.stop())));

const parameters = {
  type: "object",
  properties: { city: { enum: ["Paris", "Rome"] } },
  required: ["city"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "get_weather", parameters } }];

function chat(content, more = {}, request = undefined) {
  const messages = [{ role: "user", content }];
  return client.chat.completions.create({ model: "fast", messages, temperature: 0, ...more }, request);
}

test("chat answers with text, usage and a finish reason", async () => {
  const reply = await chat("Repeat after me: kestrel-4821 violet");
  assert.equal(reply.choices[0].message.content, "kestrel-4821 violet");
  assert.equal(reply.choices[0].finish_reason, "stop");
  assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
});

test("a stream adds up to the answer", async () => {
  const whole = (await chat("Count from 3 to 17")).choices[0].message.content;
  const chunks = [];
  const options = { stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await chat("Count from 3 to 17", options)) chunks.push(chunk);
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), whole);
  assert.ok(chunks.length > 3, "it must arrive in pieces");
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
});

test("a turn with a tool, whole and streamed", async () => {
  const messages = [{ role: "user", content: "How is the weather in Paris?" }];
  const body = { model: "fast", messages, tools };
  const { finish_reason, message } = (await calling.chat.completions.create(body)).choices[0];
  const [call] = message.tool_calls;
  assert.deepEqual([finish_reason, call.function.name], ["tool_calls", "get_weather"]);
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
  const streamed = await calling.chat.completions.stream(body).finalMessage();
  assert.equal(streamed.tool_calls[0].function.arguments, call.function.arguments);
  messages.push(message, { role: "tool", tool_call_id: call.id, content: "sunny" });
  assert.equal((await calling.chat.completions.create(body)).choices[0].message.content, "It is sunny.");
});

test("an answer follows its schema", async () => {
  const schema = {
    type: "object",
    properties: { colour: { enum: ["red", "green"] }, is_sure: { type: "boolean" } },
    required: ["colour", "is_sure"],
    additionalProperties: false,
  };
  const response_format = { type: "json_schema", json_schema: { name: "answer", schema, strict: true } };
  const answer = JSON.parse((await chat("What colour is grass?", { response_format })).choices[0].message.content);
  assert.ok(["red", "green"].includes(answer.colour));
  assert.equal(typeof answer.is_sure, "boolean");
});

test("the responses API is spoken, whole and streamed", async () => {
  const body = { model: "fast", input: "Repeat after me: kestrel-4821 violet", temperature: 0 };
  assert.equal((await client.responses.create(body)).output_text, "kestrel-4821 violet");
  let text = "";
  for await (const event of await client.responses.create({ ...body, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, "kestrel-4821 violet");
});

test("errors are of their classes and name the field", async () => {
  await assert.rejects(chat("hello", { model: "gpt-4" }), OpenAI.NotFoundError);
  await assert.rejects(chat("hello", { top_p: 7 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "top_p");
    return true;
  });
});

test("leaving in mid-stream frees the lane", async () => {
  const leaving = new AbortController();
  const stream = await chat("Count from 1 to 60", { stream: true }, { signal: leaving.signal });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) leaving.abort();
  const reply = await chat("Repeat after me: still here");
  assert.equal(reply.choices[0].message.content, "still here");
});
