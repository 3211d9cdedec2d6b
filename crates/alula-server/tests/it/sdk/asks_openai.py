"""A client of OpenAI, asking `alula serve` in the order of the turns of `script.rs`."""

import json
import sys
import time

import openai
from pydantic import BaseModel

URL, MODELS = sys.argv[1], sys.argv[2:]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
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


def left():
    """Waits until the provider has noticed that a call was broken off."""
    print("left", flush=True)
    sys.stdin.readline()


for model in MODELS:
    ask = {"model": model, "max_completion_tokens": 64,
           "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}
    create = lambda **more: client.chat.completions.create(**{**ask, **more})

    # Whole, and streamed with usage.
    answer = create()
    assert answer.choices[0].message.content == "Hello", answer
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 2)
    chunks = list(create(stream=True, stream_options={"include_usage": True}))
    assert "".join(it.choices[0].delta.content or "" for it in chunks if it.choices) == "Hello"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 14, chunks[-1]

    # A tool is called, and its result goes back.
    with client.chat.completions.stream(**ask, tools=tools) as stream:
        done = [it for it in stream if it.type == "tool_calls.function.arguments.done"]
        message = stream.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Bern"}, call
    assert done[0].arguments == call.function.arguments, done
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    conversation = [*ask["messages"], message.model_dump(exclude_none=True), result]
    assert create(messages=conversation, tools=tools).choices[0].message.content == "Sunny."

    # Structured output.
    parsed = client.chat.completions.parse(**ask, response_format=Bird).choices[0].message.parsed
    assert parsed == Bird(name="Kea", wings=2)

    # Pictures, by address and as bytes.
    picture = lambda url: {"type": "image_url", "image_url": {"url": url}}
    answer = create(messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is it?"}, picture("https://birds.example/kea.png"),
        picture(f"data:image/png;base64,{PICTURE}")]}])
    assert answer.choices[0].message.content == "A kea."

    choice = create(stop=["END"]).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("One", "stop"), choice

    # Reasoning, which this SDK keeps as a field that it does not know.
    message = create().choices[0].message
    assert (message.content, message.reasoning_content) == ("Yes", "Hm."), message
    deltas = [it.choices[0].delta for it in create(stream=True) if it.choices]
    assert "".join(getattr(it, "reasoning_content", None) or "" for it in deltas) == "Hm.", deltas
    assert "".join(it.content or "" for it in deltas) == "Yes", deltas

    # Errors, each as its own exception.
    error = refused(openai.RateLimitError, create)
    assert error.response.headers["retry-after"] == "7", error.response.headers
    error = refused(openai.BadRequestError, create)
    assert error.code == "context_length_exceeded", error
    error = refused(openai.NotFoundError, create)
    assert error.code == "model_not_found", error
    refused(openai.InternalServerError, create)
    refused(openai.InternalServerError, create)

    # A failure that passes is tried again by the SDK, when it was told to.
    start = time.monotonic()
    patient = client.with_options(max_retries=1)
    assert patient.chat.completions.create(**ask).choices[0].message.content == "Hello"
    assert time.monotonic() - start >= 1

    said = []
    def read():
        for chunk in create(stream=True):
            said.append(chunk.choices[0].delta.content or "")
    error = refused(openai.APIError, read)
    assert "".join(said) == "Hel" and error.message, said

    # A client that gives up, before the answer and in the middle of it.
    hasty = client.with_options(timeout=0.5)
    refused(openai.APITimeoutError, lambda: hasty.chat.completions.create(**ask))
    left()
    stream = create(stream=True)
    while not next(stream).choices[0].delta.content:
        pass
    stream.close()
    left()

    # Responses.
    answer = client.responses.create(model=model, input="Hi", max_output_tokens=64)
    assert (answer.output_text, answer.status) == ("Hello", "completed"), answer
    with client.responses.stream(model=model, input="Hi", max_output_tokens=64) as stream:
        assert "".join(it.delta for it in stream if it.type == "response.output_text.delta") == "Hello"
        assert stream.get_final_response().usage.total_tokens == 14

    # What not every provider has.
    if model == "anthropic/m":
        error = refused(openai.BadRequestError, lambda: create(n=2))
        assert "one answer" in error.message, error
        error = refused(openai.BadRequestError, lambda: client.embeddings.create(model=model, input="a"))
        continue
    choices = create(n=2, logprobs=True, top_logprobs=1).choices
    assert [it.message.content for it in choices] == ["Yes", "No"], choices
    [token] = choices[0].logprobs.content
    assert (token.token, token.logprob, token.top_logprobs[0].token) == ("Yes", -0.25, "Yes"), token
    vectors = client.embeddings.create(model=model, input=["a b", "c"])
    assert [it.embedding for it in vectors.data] == [[0.5, 0.25], [0.0, 1.0]], vectors

refused(openai.NotFoundError, lambda: client.models.retrieve("nobody/m"))
assert [it.id for it in client.models.list().data], "no models"
print("read")
