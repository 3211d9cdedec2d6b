// A client of OpenAI, asking `alula serve` in the order of the turns of `script.rs`.

import assert from "node:assert/strict";
import { once } from "node:events";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const [URL, ...MODELS] = process.argv.slice(1);
const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: "unused", maxRetries: 0 });
const tools = [{
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
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
    max_completion_tokens: 64,
    messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }],
  };
  const create = (more, options) => client.chat.completions.create({ ...ask, ...more }, options);
  const said = async (more) => (await create(more)).choices[0].message.content;

  // Whole, and streamed with usage.
  const answer = await create();
  assert.equal(answer.choices[0].message.content, "Hello");
  assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [12, 2]);
  const chunks = [];
  for await (const chunk of await create({ stream: true, stream_options: { include_usage: true } })) {
    chunks.push(chunk);
  }
  assert.equal(chunks.map((it) => it.choices[0]?.delta.content ?? "").join(""), "Hello");
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.total_tokens, 14);

  // A tool is called, and its result goes back.
  const calling = client.chat.completions.stream({ ...ask, tools });
  const done = [];
  calling.on("tool_calls.function.arguments.done", (event) => done.push(event));
  const message = await calling.finalMessage();
  const call = message.tool_calls[0];
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Bern" });
  assert.equal(done[0].arguments, call.function.arguments);
  const result = { role: "tool", tool_call_id: call.id, content: "sunny" };
  assert.equal(await said({ messages: [...ask.messages, message, result], tools }), "Sunny.");

  // Structured output.
  const bird = await client.chat.completions.parse({ ...ask, response_format: zodResponseFormat(Bird, "Bird") });
  assert.deepEqual(bird.choices[0].message.parsed, { name: "Kea", wings: 2 });

  // Pictures, by address and as bytes.
  const picture = (url) => ({ type: "image_url", image_url: { url } });
  const content = [
    { type: "text", text: "What is it?" },
    picture("https://birds.example/kea.png"),
    picture(`data:image/png;base64,${PICTURE}`),
  ];
  assert.equal(await said({ messages: [{ role: "user", content }] }), "A kea.");

  const [choice] = (await create({ stop: ["END"] })).choices;
  assert.deepEqual([choice.message.content, choice.finish_reason], ["One", "stop"]);

  // Reasoning, which this SDK keeps as a field that it does not know.
  const thought = (await create()).choices[0].message;
  assert.deepEqual([thought.content, thought.reasoning_content], ["Yes", "Hm."]);
  let [reasoning, text] = ["", ""];
  for await (const chunk of await create({ stream: true })) {
    reasoning += chunk.choices[0]?.delta.reasoning_content ?? "";
    text += chunk.choices[0]?.delta.content ?? "";
  }
  assert.deepEqual([text, reasoning], ["Yes", "Hm."]);

  // Errors, each as its own exception.
  let error = await refused(OpenAI.RateLimitError, create);
  assert.equal(error.headers.get("retry-after"), "7");
  error = await refused(OpenAI.BadRequestError, create);
  assert.equal(error.code, "context_length_exceeded");
  error = await refused(OpenAI.NotFoundError, create);
  assert.equal(error.code, "model_not_found");
  await refused(OpenAI.InternalServerError, create);
  await refused(OpenAI.InternalServerError, create);

  // A failure that passes is tried again by the SDK, when it was told to.
  const start = performance.now();
  assert.equal((await create({}, { maxRetries: 1 })).choices[0].message.content, "Hello");
  assert.ok(performance.now() - start >= 1000);

  let read = "";
  error = await refused(OpenAI.APIError, async () => {
    for await (const chunk of await create({ stream: true })) {
      read += chunk.choices[0]?.delta.content ?? "";
    }
  });
  assert.equal(read, "Hel");
  assert.ok(error.message);

  // A client that gives up, before the answer and in the middle of it.
  await refused(OpenAI.APIConnectionTimeoutError, () => create({}, { timeout: 500 }));
  await left();
  const stream = await create({ stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  await left();

  // Responses.
  const response = await client.responses.create({ model, input: "Hi", max_output_tokens: 64 });
  assert.deepEqual([response.output_text, response.status], ["Hello", "completed"]);
  const responding = client.responses.stream({ model, input: "Hi", max_output_tokens: 64 });
  let deltas = "";
  responding.on("response.output_text.delta", (event) => (deltas += event.delta));
  assert.equal((await responding.finalResponse()).usage.total_tokens, 14);
  assert.equal(deltas, "Hello");

  // What not every provider has.
  if (model === "anthropic/m") {
    error = await refused(OpenAI.BadRequestError, () => create({ n: 2 }));
    assert.match(error.message, /one answer/);
    await refused(OpenAI.BadRequestError, () => client.embeddings.create({ model, input: "a" }));
    continue;
  }
  const { choices } = await create({ n: 2, logprobs: true, top_logprobs: 1 });
  assert.deepEqual(choices.map((it) => it.message.content), ["Yes", "No"]);
  const [token] = choices[0].logprobs.content;
  assert.deepEqual([token.token, token.logprob, token.top_logprobs[0].token], ["Yes", -0.25, "Yes"]);
  const vectors = await client.embeddings.create({ model, input: ["a b", "c"] });
  assert.deepEqual(vectors.data.map((it) => it.embedding), [[0.5, 0.25], [0, 1]]);
}

await refused(OpenAI.NotFoundError, () => client.models.retrieve("nobody/m"));
assert.ok((await client.models.list()).data[0].id);
console.log("read");
process.exit();
