"""A client of OpenAI that keeps files and searches vector stores; see `mod.rs`."""

import sys

import openai

URL, KEY = sys.argv[1:]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
files, stores = client.files, client.vector_stores
SMALL = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}}


def refused(kind, call, **told):
    try:
        call()
    except kind as error:
        assert type(error) is kind, type(error)
        assert error.type == "invalid_request_error" and error.message, error
        for name, value in told.items():
            assert getattr(error, name) == value, (name, error.body)
        return error
    raise AssertionError(f"no {kind.__name__}")


def found(store, query, **more):
    return [it.file_id for it in stores.search(store, query=query, **more)]


# A file is kept as it is.
alula = b"# The alula\n\nThe alula is a small feather that lets a wing fly slowly without stalling.\n"
first = files.create(file=("alula.md", alula), purpose="assistants")
assert (first.object, first.bytes, first.filename) == ("file", len(alula), "alula.md"), first
assert (first.purpose, first.status, first.expires_at) == ("assistants", "processed", None), first
assert files.retrieve(first.id) == first and files.wait_for_processing(first.id) == first
assert files.content(first.id).read() == alula

# One for another purpose expires; by default, or as it was said.
lines = files.create(file=("asks.jsonl", b"{}\n"), purpose="batch")
assert 30 * 24 * 3600 - 2 <= lines.expires_at - lines.created_at <= 30 * 24 * 3600 + 2, lines
after = {"anchor": "created_at", "seconds": 3600}
brief = files.create(file=("brief.txt", b"soon gone"), purpose="user_data", expires_after=after)
assert 3598 <= brief.expires_at - brief.created_at <= 3602, brief

# All pages, from both ends, by purpose.
birds = ["kea", "kiwi", "tui", "weka"]
texts = [(f"{name}.txt", f"A {name} is a bird of New Zealand.".encode()) for name in birds]
rest = [files.create(file=text, purpose="assistants").id for text in texts]
ids = [first.id, lines.id, brief.id, *rest]
assert [it.id for it in files.list(limit=2, order="asc")] == ids
assert [it.id for it in files.list()] == ids[::-1]
assert [it.id for it in files.list(purpose="batch")] == [lines.id]
refused(openai.BadRequestError, lambda: files.list(limit=0), param="limit")
refused(openai.BadRequestError, lambda: files.create(file=("a.txt", b""), purpose="assistants"))
refused(openai.BadRequestError, lambda: files.create(file=("a.txt", b"a"), purpose="lunch"), param="purpose")
refused(openai.NotFoundError, lambda: files.retrieve("file-nothing"), code=None)

# A store with a file.
policy = {"anchor": "last_active_at", "days": 7}
store = stores.create(name="Birds", description="Of a test", metadata={"of": "test"}, file_ids=[first.id],
                      expires_after=policy)
assert (store.object, store.name, store.metadata) == ("vector_store", "Birds", {"of": "test"}), store
assert store.expires_at - store.last_active_at == 7 * 24 * 3600 and store.file_counts.total == 1, store
here = {"vector_store_id": store.id}
assert stores.files.poll(first.id, **here).status == "completed"
whole = stores.retrieve(store.id)
assert (whole.status, whole.file_counts.completed, whole.usage_bytes) == ("completed", 1, len(alula)), whole

# One that is uploaded to it, with chunks and attributes of its own.
sentences = [f"Feather {n} of the moa is long. " for n in range(200)]
kept = stores.files.upload_and_poll(**here, file=("moa.txt", "".join(sentences).encode()),
                                    chunking_strategy=SMALL, attributes={"extinct": True, "height": 3.6})
assert (kept.status, kept.last_error, kept.vector_store_id) == ("completed", None, store.id), kept
assert kept.attributes == {"extinct": True, "height": 3.6}, kept
assert kept.chunking_strategy.static.max_chunk_size_tokens == 100, kept
# The same file again is cut in another way, and found once.
again = stores.files.create_and_poll(kept.id, **here)
assert (again.status, again.attributes, again.chunking_strategy.static.max_chunk_size_tokens) == ("completed", {}, 800)
text = "".join(piece.text for piece in stores.files.content(kept.id, **here))
assert text.split() == "".join(sentences).split(), text

# What is searched.
page = stores.search(store.id, query="small feather", max_num_results=5, rewrite_query=True,
                     ranking_options={"ranker": "auto", "score_threshold": 0.01})
best = page.data[0]
assert (best.file_id, best.filename) == (first.id, "alula.md") and 0 < best.score <= 1, page
assert "without stalling" in best.content[0].text, best
assert found(store.id, ["a wing that flies slowly", "stalling"])[0] == first.id
stores.files.update(kept.id, **here, attributes={"extinct": True, "year": 1400})
extinct = {"type": "eq", "key": "extinct", "value": True}
recent = {"type": "gt", "key": "year", "value": 1900}
assert set(found(store.id, "feather", filters=extinct)) == {kept.id}
assert found(store.id, "feather", filters={"type": "and", "filters": [extinct, recent]}) == []
either = {"type": "or", "filters": [recent, {"type": "in", "key": "year", "value": [1400]}]}
assert set(found(store.id, "feather", filters=either)) == {kept.id}
refused(openai.BadRequestError, lambda: found(store.id, "x", filters={"type": "like", "key": "a", "value": 1}),
        param="filters.type")
refused(openai.BadRequestError, lambda: found(store.id, "x", max_num_results=51), param="max_num_results")

# Many at once.
batch = stores.file_batches.upload_and_poll(store.id, files=texts[:2], file_ids=rest[:1])
assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3), batch
own = [{"file_id": it, "attributes": {"name": name}, "chunking_strategy": SMALL}
       for it, name in zip(rest[1:], birds[1:])]
batch = stores.file_batches.create_and_poll(store.id, files=own)
assert batch.file_counts.completed == 3, batch
listed = list(stores.file_batches.list_files(batch.id, **here, limit=2, order="asc"))
assert [it.id for it in listed] == rest[1:] and listed[0].attributes == {"name": "kiwi"}, listed
assert stores.file_batches.cancel(batch.id, **here).status == "completed"
assert found(store.id, "bird", filters={"type": "eq", "key": "name", "value": "tui"}) == [rest[2]]
everything = [it.id for it in stores.files.list(**here, limit=3)]
assert len(everything) == 8 and everything == sorted(everything, reverse=True), everything
assert [it.id for it in stores.files.list(**here, before=everything[5], limit=2).data] == everything[3:5]

# What cannot be indexed says why.
picture = stores.files.upload_and_poll(**here, file=("kea.png", b"\x89PNG\r\n\x1a\n" + bytes(99)))
assert (picture.status, picture.last_error.code) == ("failed", "unsupported_file"), picture
broken = stores.files.upload_and_poll(**here, file=("broken.pdf", b"%PDF-1.7\n" + b"x" * 2000))
assert (broken.status, broken.last_error.code) == ("failed", "invalid_file"), broken
failed = [it.id for it in stores.files.list(**here, filter="failed")]
assert sorted(failed) == sorted([picture.id, broken.id]), failed
batch = stores.file_batches.create_and_poll(store.id, file_ids=failed)
assert (batch.status, batch.file_counts.failed) == ("failed", 2), batch

# Mistakes.
refused(openai.NotFoundError, lambda: stores.retrieve("vs_nothing"), code=None)
refused(openai.NotFoundError, lambda: stores.files.create(store.id, file_id="file-nothing"))
refused(openai.NotFoundError, lambda: stores.create(name="Half", file_ids=[first.id, "doc_0"]))
refused(openai.NotFoundError, lambda: stores.file_batches.retrieve("vsfb_0", **here))
tiny = {"type": "static", "static": {"max_chunk_size_tokens": 50, "chunk_overlap_tokens": 0}}
refused(openai.BadRequestError, lambda: stores.files.create(store.id, file_id=first.id, chunking_strategy=tiny))
refused(openai.BadRequestError, lambda: stores.file_batches.create(store.id, file_ids=[]))
refused(openai.BadRequestError, lambda: stores.create(metadata={str(n): "x" for n in range(17)}), param="metadata")

# It is changed, and removed while it is listed.
changed = stores.update(store.id, name="Feathers", expires_after=None)
assert (changed.name, changed.expires_at, changed.metadata) == ("Feathers", None, {"of": "test"}), changed
assert files.delete(first.id).deleted and found(store.id, "stalling") == []
for it in stores.files.list(**here, limit=2):
    assert stores.files.delete(it.id, **here).deleted
assert list(stores.files.list(**here)) == [] and found(store.id, "bird") == []
others = [stores.create(name=str(n)).id for n in range(3)]
assert [it.id for it in stores.list(limit=2)] == [*others[::-1], store.id]
assert [it.id for it in stores.list(before=store.id, limit=1).data] == others[:1]
for it in stores.list(limit=1):
    assert stores.delete(it.id).deleted
assert list(stores.list()) == []
refused(openai.NotFoundError, lambda: stores.retrieve(store.id))
for it in files.list(limit=2):
    assert files.delete(it.id).deleted
assert list(files.list()) == []
print("read")
