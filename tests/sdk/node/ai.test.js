// Vercel's `ai` with `@ai-sdk/openai-compatible` against a running server: chat, stream, tools, JSON schema, errors, abort.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, stepCountIs, Output, streamText, tool } from "ai";
import { z } from "zod";

import { start, startCaller } from "./edison.js";

let servers;
let fast;
let unknown;
let calling;
before(async () => {
  servers = [await start(), await startCaller()];
  const connect = ({ baseURL }) =>
    createOpenAICompatible({ name: "edison", baseURL, includeUsage: true, supportsStructuredOutputs: true });
  const [provider, caller] = servers.map(connect);
  fast = { model: provider("fast"), temperature: 0, maxRetries: 0 };
  unknown = { ...fast, model: provider("gpt-4") };
  calling = { model: caller("fast"), maxRetries: 0 };
});
after(() => Promise.all(servers.map((server) => server.stop())));

const city = z.object({ city: z.enum(["Paris", "Rome"]) });

test("chat answers with text, usage and a finish reason", async () => {
  const reply = await generateText({ ...fast, prompt: "Repeat after me: kestrel-4821 violet" });
  assert.equal(reply.text, "kestrel-4821 violet");
  assert.equal(reply.finishReason, "stop");
  assert.ok(reply.usage.outputTokens > 0);
});

test("a stream adds up to the answer", async () => {
  const prompt = "Count from 3 to 17";
  const whole = await generateText({ ...fast, prompt });
  const stream = streamText({ ...fast, prompt });
  const pieces = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  assert.equal(pieces.join(""), whole.text);
  assert.ok(pieces.length > 3, "it must arrive in pieces");
  assert.ok((await stream.usage).outputTokens > 0);
});

test("a tool is called and run, and its result is answered", async () => {
  const asked = [];
  const get_weather = tool({
    description: "Tells the weather of a city.",
    inputSchema: city,
    execute: async (input) => {
      asked.push(input.city);
      return "sunny";
    },
  });
  const options = { ...calling, tools: { get_weather }, stopWhen: stepCountIs(2), prompt: "How is the weather in Paris?" };
  const reply = await generateText(options);
  assert.equal(reply.steps[0].toolCalls[0].toolName, "get_weather");
  assert.equal(reply.steps[0].finishReason, "tool-calls");
  assert.equal(reply.text, "It is sunny.");
  const stream = streamText(options);
  assert.equal(await stream.text, "It is sunny.");
  assert.deepEqual(asked, ["Paris", "Paris"]);
});

test("an answer follows its schema", async () => {
  const schema = z.object({ colour: z.enum(["red", "green"]), isSure: z.boolean() });
  const { output } = await generateText({ ...fast, prompt: "What colour is grass?", output: Output.object({ schema }) });
  assert.deepEqual(schema.parse(output), output);
});

test("errors say their status and whether asking again helps", async () => {
  const missing = generateText({ ...unknown, prompt: "hello" });
  await assert.rejects(missing, (error) => APICallError.isInstance(error) && error.statusCode === 404 && !error.isRetryable);
  const wrong = generateText({ ...fast, prompt: "hello", topP: 7 });
  await assert.rejects(wrong, (error) => error.statusCode === 400 && /top_p/.test(error.message));
});

test("leaving in mid-stream frees the lane", async () => {
  const leaving = new AbortController();
  const stream = streamText({ ...fast, prompt: "Count from 1 to 60", abortSignal: leaving.signal });
  for await (const part of stream.fullStream) if (part.type === "text-delta") leaving.abort();
  const reply = await generateText({ ...fast, prompt: "Repeat after me: still here" });
  assert.equal(reply.text, "still here");
});
