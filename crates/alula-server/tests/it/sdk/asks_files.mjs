// A client of OpenAI that puts a file into a vector store and searches it; see `mod.rs`.

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const [url, key] = process.argv.slice(1);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const { files, vectorStores } = client;

const text = Buffer.from("# The kea\n\nThe kea is a parrot that lives in the mountains.\n");
const upload = () => toFile(text, "kea.md", { type: "text/markdown" });
const file = await files.create({ file: await upload(), purpose: "assistants" });
assert.equal(file.bytes, text.length);
assert.equal(await (await files.content(file.id)).text(), text.toString());

const store = await vectorStores.create({ name: "Birds" });
const kept = await vectorStores.files.uploadAndPoll(store.id, await upload());
assert.equal(kept.status, "completed");
const batch = await vectorStores.fileBatches.createAndPoll(store.id, { file_ids: [file.id] });
assert.equal(batch.file_counts.completed, 1);

const found = await vectorStores.search(store.id, { query: "Where does the parrot live?" });
assert.equal(found.data.length, 2);
assert.match(found.data[0].content[0].text, /mountains/);
const ids = [];
for await (const it of vectorStores.files.list(store.id, { limit: 1, order: "asc" })) ids.push(it.id);
assert.deepEqual(ids, [file.id, kept.id]);

assert.ok((await vectorStores.delete(store.id)).deleted);
await assert.rejects(vectorStores.retrieve(store.id), OpenAI.NotFoundError);
for await (const it of files.list()) assert.ok((await files.delete(it.id)).deleted);
console.log("read");
