"""A client of Anthropic, asking `alula serve` in the order of the turns of `script.rs`."""

import sys
import time

import anthropic
from pydantic import BaseModel

URL, MODELS = sys.argv[1], sys.argv[2:]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
client = anthropic.Anthropic(base_url=URL, api_key="unused", max_retries=0)
tools = [{"name": "weather", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}}}]


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
    ask = {"model": model, "max_tokens": 64, "system": "Be brief.",
           "messages": [{"role": "user", "content": "Hi"}]}
    create = lambda **more: client.messages.create(**{**ask, **more})

    # Whole, and streamed with usage.
    answer = create()
    assert answer.content[0].text == "Hello" and answer.stop_reason == "end_turn", answer
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 2)
    with client.messages.stream(**ask) as stream:
        assert "".join(stream.text_stream) == "Hello"
        usage = stream.get_final_message().usage
        assert (usage.input_tokens, usage.output_tokens) == (12, 2), usage

    # A tool is called, and its result goes back.
    with client.messages.stream(**ask, tools=tools) as stream:
        pieces = [it.partial_json for it in stream if it.type == "input_json"]
        message = stream.get_final_message()
    call = message.content[-1]
    assert (call.type, call.input) == ("tool_use", {"city": "Bern"}) and pieces, message
    assert message.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    conversation = [*ask["messages"],
                    {"role": "assistant", "content": message.model_dump(exclude_none=True)["content"]},
                    {"role": "user", "content": [result]}]
    assert create(messages=conversation, tools=tools).content[0].text == "Sunny."

    # Structured output.
    parsed = client.messages.parse(**ask, output_format=Bird).parsed_output
    assert parsed == Bird(name="Kea", wings=2), parsed

    # Pictures, by address and as bytes.
    answer = create(messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is it?"},
        {"type": "image", "source": {"type": "url", "url": "https://birds.example/kea.png"}},
        {"type": "image", "source": {
            "type": "base64", "media_type": "image/png", "data": PICTURE}}]}])
    assert answer.content[0].text == "A kea."

    assert create(stop_sequences=["END"]).content[0].text == "One"

    # Reasoning.
    thought, text = create(thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2048).content
    assert (thought.thinking, text.text) == ("Hm.", "Yes"), (thought, text)
    with client.messages.stream(**ask) as stream:
        thinking = [it.thinking for it in stream if it.type == "thinking"]
        assert ("".join(thinking), stream.get_final_text()) == ("Hm.", "Yes"), thinking

    # Errors, each as its own exception.
    error = refused(anthropic.RateLimitError, create)
    assert error.response.headers["retry-after"] == "7"
    error = refused(anthropic.BadRequestError, create)
    assert "prompt is too long" in error.message, error
    refused(anthropic.NotFoundError, create)
    refused(anthropic.InternalServerError, create)
    error = refused(anthropic._exceptions.OverloadedError, lambda: create(stream=True))
    assert error.status_code == 529

    # A failure that passes is tried again by the SDK, when it was told to.
    start = time.monotonic()
    patient = client.with_options(max_retries=1)
    assert patient.messages.create(**ask).content[0].text == "Hello"
    assert time.monotonic() - start >= 1

    said = []
    def read():
        with client.messages.stream(**ask) as stream:
            said.extend(stream.text_stream)
    refused(anthropic.APIStatusError, read)
    assert said == ["Hel"], said

    # A client that gives up, before the answer and in the middle of it.
    hasty = client.with_options(timeout=0.5)
    refused(anthropic.APITimeoutError, lambda: hasty.messages.create(**ask))
    left()
    with client.messages.stream(**ask) as stream:
        assert next(stream.text_stream) == "Hel"
    left()

# By the provider's own count, and by an estimate.
question = [{"role": "user", "content": "one two three"}]
count = lambda model: client.messages.count_tokens(model=model, messages=question).input_tokens
assert count("anthropic/m") == 21
assert count("gemini/m") == 22
assert count("openai/m") >= 3
assert client.models.list().data, "no models"
print("read")
