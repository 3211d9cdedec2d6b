"""The answers of a fake, asked in the order of `google_reads_its_format`."""

import sys

from google import genai
from google.genai import errors, types
from pydantic import BaseModel

URL = sys.argv[1]
client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=URL))
ask = {"model": "gemini-x", "contents": "Hi"}


class Bird(BaseModel):
    name: str
    wings: int


tools = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[
    types.FunctionDeclaration(name=name) for name in ("weather", "time")])])
birds = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Bird)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def streamed(config=None):
    return list(client.models.generate_content_stream(**ask, config=config))


def all_parts(chunks):
    contents = [it.candidates[0].content for it in chunks]
    return [part for content in contents if content for part in content.parts]


# Whole and streamed.
answer = client.models.generate_content(**ask)
assert answer.text == "Hello"
assert answer.candidates[0].finish_reason == types.FinishReason.STOP
usage = answer.usage_metadata
assert (usage.prompt_token_count, usage.candidates_token_count) == (12, 2)

chunks = streamed()
assert [part.text for part in all_parts(chunks)] == ["Hel", "lo"]
assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
assert chunks[-1].usage_metadata.total_token_count == 14
assert all(it.model_version == "gemini-x" and it.response_id for it in chunks)

# Tools, several at once, after thoughts.
for chunks in ([client.models.generate_content(**ask, config=tools)], streamed(tools)):
    found = all_parts(chunks)
    assert [part.text for part in found if part.thought] == ["Hm."], found
    assert "".join(part.text or "" for part in found if not part.thought) == "Let me see."
    calls = [(part.function_call.name, part.function_call.args) for part in found
             if part.function_call]
    assert calls == [("weather", {"city": "Bern"}), ("time", {})], calls
    ids = {part.function_call.id for part in found if part.function_call}
    assert len(ids) == 2, ids

# Structured output.
assert client.models.generate_content(**ask, config=birds).parsed == Bird(name="Kea", wings=2)
text = "".join(it.text or "" for it in streamed(birds))
assert Bird.model_validate_json(text) == Bird(name="Kea", wings=2)

assert streamed()[-1].candidates[0].finish_reason == types.FinishReason.MAX_TOKENS

# Vectors and counts.
answer = client.models.embed_content(model="embed-x", contents=["a", "b"])
assert [it.values for it in answer.embeddings] == [[0.5, -0.25], [1.0, 0.0]], answer
answer = client.models.embed_content(model="embed-x", contents="a")
assert [it.values for it in answer.embeddings] == [[0.5, -0.25]], answer
assert client.models.count_tokens(**ask).total_tokens == 7

# Errors.
create = lambda: client.models.generate_content(**ask)
error = refused(errors.ClientError, create)
assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED")
assert error.response.headers["retry-after"] == "7"
error = refused(errors.ClientError, create)
assert (error.code, error.status) == (401, "UNAUTHENTICATED")
error = refused(errors.ClientError, create)
assert error.code == 400 and "token count" in error.message
error = refused(errors.ServerError, streamed)
assert (error.code, error.status) == (503, "UNAVAILABLE")

said = []
def read():
    for chunk in client.models.generate_content_stream(**ask):
        said.append(chunk.text)
error = refused(errors.APIError, read)
assert said == ["Hel"], said
print("read")
