// A client of Anthropic, asking `alula serve` in the order of the turns of `script.rs`.

import assert from "node:assert/strict";
import { once } from "node:events";
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

const [URL, ...MODELS] = process.argv.slice(1);
const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const client = new Anthropic({ baseURL: URL, apiKey: "unused", maxRetries: 0 });
const tools = [{
  name: "weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } },
}];
const Bird = z.object({ name: z.string(), wings: z.number() });

async function refused(kind, call) {
  let error;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  assert.equal(error?.constructor, kind, `${error}`);
  return error;
}

/** Waits until the provider has noticed that a call was broken off. */
async function left() {
  console.log("left");
  await once(process.stdin, "data");
}

for (const model of MODELS) {
  const ask = {
    model,
    max_tokens: 64,
    system: "Be brief.",
    messages: [{ role: "user", content: "Hi" }],
  };
  const create = (more, options) => client.messages.create({ ...ask, ...more }, options);
  const said = async (more) => (await create(more)).content[0].text;

  // Whole, and streamed with usage.
  const answer = await create();
  assert.deepEqual([answer.content[0].text, answer.stop_reason], ["Hello", "end_turn"]);
  assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [12, 2]);
  const pieces = [];
  const saying = client.messages.stream(ask).on("text", (piece) => pieces.push(piece));
  const { usage } = await saying.finalMessage();
  assert.deepEqual(pieces, ["Hel", "lo"]);
  assert.deepEqual([usage.input_tokens, usage.output_tokens], [12, 2]);

  // A tool is called, and its result goes back.
  const inputs = [];
  const calling = client.messages.stream({ ...ask, tools });
  calling.on("inputJson", (piece) => inputs.push(piece));
  const message = await calling.finalMessage();
  const call = message.content.at(-1);
  assert.deepEqual([call.type, call.input], ["tool_use", { city: "Bern" }]);
  assert.deepEqual([JSON.parse(inputs.join("")), message.stop_reason], [{ city: "Bern" }, "tool_use"]);
  const result = { type: "tool_result", tool_use_id: call.id, content: "sunny" };
  const messages = [
    ...ask.messages,
    { role: "assistant", content: message.content },
    { role: "user", content: [result] },
  ];
  assert.equal(await said({ messages, tools }), "Sunny.");

  // Structured output.
  const bird = await client.messages.parse({ ...ask, output_config: { format: zodOutputFormat(Bird) } });
  assert.deepEqual(bird.parsed_output, { name: "Kea", wings: 2 });

  // Pictures, by address and as bytes.
  const picture = (source) => ({ type: "image", source });
  const content = [
    { type: "text", text: "What is it?" },
    picture({ type: "url", url: "https://birds.example/kea.png" }),
    picture({ type: "base64", media_type: "image/png", data: PICTURE }),
  ];
  assert.equal(await said({ messages: [{ role: "user", content }] }), "A kea.");

  assert.equal(await said({ stop_sequences: ["END"] }), "One");

  // Reasoning.
  const thinking = { type: "enabled", budget_tokens: 1024 };
  const thought = (await create({ thinking, max_tokens: 2048 })).content;
  assert.deepEqual([thought[0].thinking, thought[1].text], ["Hm.", "Yes"]);
  let thoughts = "";
  const musing = client.messages.stream(ask).on("thinking", (piece) => (thoughts += piece));
  assert.equal(await musing.finalText(), "Yes");
  assert.equal(thoughts, "Hm.");

  // Errors, each as its own exception.
  let error = await refused(Anthropic.RateLimitError, create);
  assert.equal(error.headers.get("retry-after"), "7");
  error = await refused(Anthropic.BadRequestError, create);
  assert.match(error.message, /prompt is too long/);
  await refused(Anthropic.NotFoundError, create);
  await refused(Anthropic.InternalServerError, create);
  error = await refused(Anthropic.OverloadedError, () => create({ stream: true }));
  assert.equal(error.status, 529);

  // A failure that passes is tried again by the SDK, when it was told to.
  const start = performance.now();
  assert.equal((await create({}, { maxRetries: 1 })).content[0].text, "Hello");
  assert.ok(performance.now() - start >= 1000);

  let read = "";
  const breaking = client.messages.stream(ask).on("text", (piece) => (read += piece));
  await refused(Anthropic.APIError, () => breaking.done());
  assert.equal(read, "Hel");

  // A client that gives up, before the answer and in the middle of it.
  await refused(Anthropic.APIConnectionTimeoutError, () => create({}, { timeout: 500 }));
  await left();
  for await (const event of await create({ stream: true })) {
    if (event.type === "content_block_delta") break;
  }
  await left();
}

// By the provider's own count, and by an estimate.
const count = async (model) => {
  const messages = [{ role: "user", content: "one two three" }];
  return (await client.messages.countTokens({ model, messages })).input_tokens;
};
assert.equal(await count("anthropic/m"), 21);
assert.equal(await count("gemini/m"), 22);
assert.ok((await count("openai/m")) >= 3);
assert.ok((await client.models.list()).data.length > 0);
console.log("read");
process.exit();
