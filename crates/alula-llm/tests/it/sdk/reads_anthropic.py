"""The answers of a fake, asked in the order of `anthropic_reads_its_format`."""

import sys

import anthropic
from pydantic import BaseModel

URL = sys.argv[1]
client = anthropic.Anthropic(base_url=URL, api_key="k", max_retries=0)
ask = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("weather", "time")]


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


def streamed(**more):
    with client.messages.stream(**ask, **more) as stream:
        events = list(stream)
        return events, stream.get_final_message()


# Whole and streamed.
answer = client.messages.create(**ask)
assert answer.content[0].text == "Hello" and answer.stop_reason == "end_turn"
assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 2)

events, answer = streamed()
assert "".join(it.text for it in events if it.type == "text") == "Hello"
assert (answer.type, answer.role, answer.model) == ("message", "assistant", "m")
assert [it.text for it in answer.content] == ["Hello"]
assert answer.stop_reason == "end_turn" and answer.stop_sequence is None
assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 2)
raw = [it.type for it in client.messages.create(**ask, stream=True)]
assert raw[:2] == ["message_start", "content_block_start"]
assert raw[-3:] == ["content_block_stop", "message_delta", "message_stop"], raw

# Tools, several at once, and thinking with its seal.
for whole in (True, False):
    answer = client.messages.create(**ask, tools=tools) if whole else streamed(tools=tools)[1]
    kinds = [it.type for it in answer.content]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"], kinds
    thought, text, *calls = answer.content
    assert (thought.thinking, thought.signature, text.text) == ("Hm.", "seal", "Let me see.")
    called = [(it.name, it.input) for it in calls]
    assert called == [("weather", {"city": "Bern"}), ("time", {})], called
    assert len({it.id for it in calls}) == 2
    assert answer.stop_reason == "tool_use"

# Structured output.
assert client.messages.parse(**ask, output_format=Bird).parsed_output == Bird(name="Kea", wings=2)
with client.messages.stream(**ask, output_format=Bird) as stream:
    assert stream.get_final_message().parsed_output == Bird(name="Kea", wings=2)

# How else an answer can end.
assert streamed()[1].stop_reason == "max_tokens"
answer = streamed()[1]
assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "END")

# Sealed thinking, and sources.
for whole in (True, False):
    events, answer = ([], client.messages.create(**ask)) if whole else streamed()
    sealed, text = answer.content
    assert (sealed.type, sealed.data, text.text) == ("redacted_thinking", "sealed", "Hello")
    [source] = text.citations
    assert (source.type, source.cited_text, source.document_title) == (
        "char_location", "Hello", "Birds"), source
    assert (source.start_char_index, source.end_char_index) == (3, 8), source
    assert whole or [it.citation.type for it in events if it.type == "citation"] == [
        "char_location"], events

# Errors, each as its own exception.
create = lambda **more: client.messages.create(**ask, **more)
error = refused(anthropic.RateLimitError, create)
assert error.response.headers["retry-after"] == "7"
assert error.body["error"]["type"] == "rate_limit_error"
refused(anthropic.AuthenticationError, create)
refused(anthropic.NotFoundError, create)
error = refused(anthropic.BadRequestError, create)
assert "prompt is too long" in error.message
error = refused(anthropic._exceptions.OverloadedError, lambda: create(stream=True))
assert error.status_code == 529

said = []
def read():
    with client.messages.stream(**ask) as stream:
        said.extend(stream.text_stream)
error = refused(anthropic.APIStatusError, read)
assert said == ["Hel"] and error.body["error"]["type"] == "overloaded_error", (said, error.body)
print("read")
