// Clients with a good key, and with another one; see `mod.rs`.

import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { generateText } from "ai";
import OpenAI from "openai";

const [URL, KEY] = process.argv.slice(1);
const ask = { model: "openai/m", max_tokens: 64, messages: [{ role: "user", content: "Hi" }] };
const byVercel = async (model) => (await generateText({ model, prompt: "Hi", maxRetries: 0 })).text;

const clients = [
  async (apiKey) => {
    const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey, maxRetries: 0 });
    return (await client.chat.completions.create(ask)).choices[0].message.content;
  },
  async (apiKey) => {
    const client = new Anthropic({ baseURL: URL, apiKey, maxRetries: 0 });
    return (await client.messages.create(ask)).content[0].text;
  },
  (apiKey) => byVercel(createOpenAI({ baseURL: `${URL}/v1`, apiKey }).chat("openai/m")),
  (apiKey) => byVercel(createAnthropic({ baseURL: `${URL}/v1`, apiKey })("openai/m")),
];
for (const client of clients) {
  assert.equal(await client(KEY), "Hello");
  await assert.rejects(client("sk-proj-1234"), (error) => {
    assert.equal(error.status ?? error.statusCode, 401, `${error}`);
    assert.match(error.message, /not a key of this server/);
    return true;
  });
}
console.log("read");
process.exit();
