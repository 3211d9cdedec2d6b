"""A client of OpenAI, asking `alula serve` in the order of the turns of `sdk/mod.rs`."""

import json
import sys

import openai
from pydantic import BaseModel

URL, MODELS = sys.argv[1], sys.argv[2:]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key="unused", max_retries=0)
tools = [{"type": "function", "function": {
    "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]


class Bird(BaseModel):
    name: str
    wings: int


def refused(kind, call):
    try:
        call()
    except kind as error:
        assert type(error) is kind, type(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


for model in MODELS:
    ask = {"model": model, "max_completion_tokens": 64,
           "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}

    # Whole, and streamed with usage.
    answer = client.chat.completions.create(**ask)
    assert answer.choices[0].message.content == "Hello", answer
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 2)
    chunks = list(client.chat.completions.create(
        **ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(it.choices[0].delta.content or "" for it in chunks if it.choices) == "Hello"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 14, chunks[-1]

    # A tool is called, and its result goes back.
    with client.chat.completions.stream(**ask, tools=tools) as stream:
        message = stream.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Bern"}, call
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    conversation = [*ask["messages"], message.model_dump(exclude_none=True), result]
    answer = client.chat.completions.create(**{**ask, "messages": conversation}, tools=tools)
    assert answer.choices[0].message.content == "Sunny."

    # Structured output.
    parsed = client.chat.completions.parse(**ask, response_format=Bird).choices[0].message.parsed
    assert parsed == Bird(name="Kea", wings=2)

    # Responses.
    answer = client.responses.create(model=model, input="Hi", max_output_tokens=64)
    assert (answer.output_text, answer.status) == ("Hello", "completed"), answer
    with client.responses.stream(model=model, input="Hi", max_output_tokens=64) as stream:
        assert "".join(it.delta for it in stream if it.type == "response.output_text.delta") == "Hello"
        assert stream.get_final_response().usage.total_tokens == 14

    # Errors, each as its own exception; and a failure that passes is tried again by the SDK.
    create = lambda: client.chat.completions.create(**ask)
    error = refused(openai.RateLimitError, create)
    assert error.response.headers["retry-after"] == "7", error.response.headers
    error = refused(openai.BadRequestError, create)
    assert error.code == "context_length_exceeded", error
    refused(openai.InternalServerError, create)
    patient = client.with_options(max_retries=1)
    assert patient.chat.completions.create(**ask).choices[0].message.content == "Hello"

    said = []
    def read():
        for chunk in client.chat.completions.create(**ask, stream=True):
            said.append(chunk.choices[0].delta.content or "")
    error = refused(openai.APIError, read)
    assert "".join(said) == "Hel" and error.message, said

# A client that gives up.
hasty = client.with_options(timeout=0.3)
refused(openai.APITimeoutError, lambda: hasty.chat.completions.create(**ask))

vectors = client.embeddings.create(model=MODELS[0], input=["a b", "c"])
assert [it.embedding for it in vectors.data] == [[0.5, 0.25], [0.0, 1.0]], vectors
assert [it.id for it in client.models.list().data], "no models"
print("read")
