// Clients of OpenAI and Anthropic, asking what was once recorded; see `recordings.rs`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [URL, API, LIST] = process.argv.slice(1);

const openai = {
  client: new OpenAI({ baseURL: `${URL}/v1`, apiKey: "unused", maxRetries: 0 }),
  path: "/chat/completions",
  error: OpenAI.APIError,
  read(answer) {
    const { content, tool_calls } = answer.choices[0].message;
    const calls = (tool_calls ?? []).map((it) => [it.function.name, it.function.arguments]);
    return [content ?? "", calls];
  },
  async readStream(chunks) {
    let text = "";
    const calls = [];
    for await (const chunk of chunks) {
      for (const { delta } of chunk.choices) {
        text += delta.content ?? "";
        for (const piece of delta.tool_calls ?? []) {
          calls[piece.index] ??= [piece.function.name, ""];
          calls[piece.index][1] += piece.function.arguments ?? "";
        }
      }
    }
    return [text, calls];
  },
};

const anthropic = {
  client: new Anthropic({ baseURL: URL, apiKey: "unused", maxRetries: 0 }),
  path: "/v1/messages",
  error: Anthropic.APIError,
  read(answer) {
    const text = answer.content.filter((it) => it.type === "text").map((it) => it.text).join("");
    const calls = answer.content.filter((it) => it.type === "tool_use");
    return [text, calls.map((it) => [it.name, JSON.stringify(it.input)])];
  },
  async readStream(events) {
    let text = "";
    const calls = [];
    for await (const event of events) {
      if (event.type === "content_block_start" && event.content_block.type === "tool_use") {
        calls.push([event.content_block.name, ""]);
      } else if (event.delta?.type === "text_delta") {
        text += event.delta.text;
      } else if (event.delta?.type === "input_json_delta" && calls.length > 0) {
        calls.at(-1)[1] += event.delta.partial_json;
      }
    }
    return [text, calls];
  },
};

const api = { openai, anthropic }[API];

async function ask(body) {
  const answer = await api.client.post(api.path, { body, stream: body.stream ?? false });
  const [text, calls] = await (body.stream ? api.readStream(answer) : api.read(answer));
  return [text, calls.map(([name, input]) => [name, JSON.parse(input || "{}")])];
}

for (const { file, body, status, text, calls } of JSON.parse(readFileSync(LIST, "utf8"))) {
  try {
    assert.deepEqual(await ask(body), [text, calls], file);
  } catch (error) {
    if (!(error instanceof api.error)) throw error;
    assert.equal(error.status, status, `${file}: ${error}`);
  }
}
console.log("read");
process.exit();
