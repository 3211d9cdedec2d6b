// The AI SDK as a client of OpenAI or of Anthropic, asking `alula serve` in the order of the turns
// of `script.rs`.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embedMany, generateText, streamText, tool } from "ai";
import { z } from "zod";

const [URL, API, ...MODELS] = process.argv.slice(1);
const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const settings = { baseURL: `${URL}/v1`, apiKey: "unused" };
const openai = createOpenAI(settings);
const anthropic = createAnthropic(settings);
// It shows reasoning, which the one for OpenAI passes over.
const compatible = createOpenAICompatible({ name: "alula", ...settings });
const tools = { weather: tool({ inputSchema: z.object({ city: z.string() }) }) };

async function refused(status, call) {
  let error;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  assert.ok(APICallError.isInstance(error), `${error}`);
  assert.equal(error.statusCode, status);
  return error;
}

/** Waits until the provider has noticed that a call was broken off. */
async function left() {
  console.log("left");
  await once(process.stdin, "data");
}

/** The parts of a stream. */
async function parts(result) {
  const all = [];
  for await (const part of result.fullStream) {
    all.push(part);
  }
  return all;
}

for (const name of MODELS) {
  const isOpenAI = API === "openai";
  const model = isOpenAI ? openai.chat(name) : anthropic(name);
  const ask = { model, system: "Be brief.", prompt: "Hi", maxOutputTokens: 64, maxRetries: 0 };
  // What fails in a stream is one of its parts.
  const stream = (more) => streamText({ ...ask, onError: () => {}, ...more });

  // Whole, and streamed with usage.
  const answer = await generateText(ask);
  assert.equal(answer.text, "Hello");
  assert.deepEqual([answer.usage.inputTokens, answer.usage.outputTokens], [12, 2]);
  const streamed = stream({});
  const pieces = [];
  for await (const piece of streamed.textStream) {
    pieces.push(piece);
  }
  assert.deepEqual(pieces, ["Hel", "lo"]);
  assert.equal((await streamed.usage).totalTokens, 14);

  // A tool is called, and its result goes back.
  const calling = stream({ tools });
  const seen = await parts(calling);
  const deltas = seen.filter((part) => part.type === "tool-input-delta").map((part) => part.delta);
  assert.deepEqual(JSON.parse(deltas.join("")), { city: "Bern" });
  const [call] = await calling.toolCalls;
  assert.deepEqual([call.toolName, call.input], ["weather", { city: "Bern" }]);
  const output = { type: "text", value: "sunny" };
  const { toolCallId, toolName } = call;
  const messages = [
    { role: "user", content: "Hi" },
    ...(await calling.response).messages,
    { role: "tool", content: [{ type: "tool-result", toolCallId, toolName, output }] },
  ];
  assert.equal((await generateText({ ...ask, prompt: undefined, messages, tools })).text, "Sunny.");

  // Structured output.
  const schema = z.object({ name: z.string(), wings: z.number() });
  const bird = await generateText({ ...ask, output: Output.object({ schema }) });
  assert.deepEqual(bird.output, { name: "Kea", wings: 2 });

  // Pictures, by address and as bytes.
  const picture = (data) => ({ type: "file", mediaType: "image/png", data });
  const content = [
    { type: "text", text: "What is it?" },
    picture(new globalThis.URL("https://birds.example/kea.png")),
    picture(PICTURE),
  ];
  const look = { ...ask, prompt: undefined, messages: [{ role: "user", content }] };
  assert.equal((await generateText(look)).text, "A kea.");

  const stopped = await generateText({ ...ask, stopSequences: ["END"] });
  assert.deepEqual([stopped.text, stopped.finishReason], ["One", "stop"]);

  // Reasoning.
  const thinking = { ...ask, model: isOpenAI ? compatible(name) : model };
  const thought = await generateText(thinking);
  assert.deepEqual([thought.text, thought.reasoningText], ["Yes", "Hm."]);
  const flowing = streamText(thinking);
  assert.deepEqual([await flowing.text, await flowing.reasoningText], ["Yes", "Hm."]);

  // Errors.
  let error = await refused(429, () => generateText(ask));
  assert.equal(error.responseHeaders["retry-after"], "7");
  assert.ok(error.isRetryable);
  error = await refused(400, () => generateText(ask));
  assert.ok(!error.isRetryable && error.message, error);
  await refused(404, () => generateText(ask));
  await refused(502, () => generateText(ask));
  await refused(isOpenAI ? 503 : 529, () => generateText(ask));

  // A failure that passes is tried again, when the SDK was told to.
  const start = performance.now();
  assert.equal((await generateText({ ...ask, maxRetries: 1 })).text, "Hello");
  assert.ok(performance.now() - start >= 1000);

  const broken = await parts(stream({}));
  assert.equal(broken.filter((it) => it.type === "text-delta").map((it) => it.text).join(""), "Hel");
  assert.ok(broken.some((part) => part.type === "error"), JSON.stringify(broken));

  // A client that gives up, before the answer and in the middle of it.
  const abortSignal = AbortSignal.timeout(500);
  await assert.rejects(generateText({ ...ask, abortSignal }), { name: "TimeoutError" });
  await left();
  const abort = new AbortController();
  for await (const piece of stream({ abortSignal: abort.signal }).textStream) {
    assert.equal(piece, "Hel");
    abort.abort();
  }
  await left();

  if (!isOpenAI) continue;

  // Responses, which this SDK asks for by default.
  const responses = openai(name);
  assert.equal((await generateText({ ...ask, model: responses })).text, "Hello");
  const responding = stream({ model: responses });
  assert.equal(await responding.text, "Hello");
  assert.equal((await responding.usage).totalTokens, 14);

  // What not every provider has.
  const embed = () => embedMany({ model: openai.embedding(name), values: ["a b", "c"], maxRetries: 0 });
  if (name === "anthropic/m") {
    await refused(400, embed);
    continue;
  }
  assert.deepEqual((await embed()).embeddings, [[0.5, 0.25], [0, 1]]);
}

console.log("read");
process.exit();
