"""The answers of a fake, asked in the order of `openai_reads_its_formats`."""

import json
import sys

import openai
from pydantic import BaseModel

URL = sys.argv[1]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key="k", max_retries=0)
ask = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
         for name in ("weather", "time")]


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


# Chat, whole and streamed.
answer = client.chat.completions.create(**ask)
assert answer.choices[0].message.content == "Hello"
assert answer.choices[0].finish_reason == "stop"
assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 2)

chunks = list(client.chat.completions.create(
    **ask, stream=True, stream_options={"include_usage": True}))
assert chunks[0].choices[0].delta.role == "assistant"
assert "".join(it.choices[0].delta.content or "" for it in chunks[:-1]) == "Hello"
assert [it.choices[0].finish_reason for it in chunks[-3:-1]] == [None, "stop"]
assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 14
for it in chunks:
    assert (it.id, it.model, it.created) == (chunks[0].id, "m", 1700000000), it
    assert it.object == "chat.completion.chunk"

chunks = list(client.chat.completions.create(**ask, stream=True))
assert all(it.choices and it.usage is None for it in chunks)

# Tools, several at once.
for _ in range(2):
    if _ == 0:
        message = client.chat.completions.create(**ask, tools=tools).choices[0].message
    else:
        with client.chat.completions.stream(**ask, tools=tools) as stream:
            seen = [it for it in stream if it.type == "tool_calls.function.arguments.done"]
            final = stream.get_final_completion()
        assert [it.name for it in seen] == ["weather", "time"], seen
        assert final.choices[0].finish_reason == "tool_calls"
        message = final.choices[0].message
    assert message.content == "Let me see."
    called = [(it.function.name, json.loads(it.function.arguments)) for it in message.tool_calls]
    assert called == [("weather", {"city": "Bern"}), ("time", {})], called
    assert len({it.id for it in message.tool_calls}) == 2

# Structured output.
parsed = client.chat.completions.parse(**ask, response_format=Bird).choices[0].message.parsed
assert parsed == Bird(name="Kea", wings=2)
with client.chat.completions.stream(**ask, response_format=Bird) as stream:
    final = stream.get_final_completion()
assert final.choices[0].message.parsed == Bird(name="Kea", wings=2)

# Reasoning and refusals.
message = client.chat.completions.create(**ask).choices[0].message
assert (message.reasoning_content, message.content) == ("Hm, so.", "Yes")
deltas = [it.choices[0].delta for it in client.chat.completions.create(**ask, stream=True)]
assert "".join(getattr(it, "reasoning_content", None) or "" for it in deltas) == "Hm, so."
with client.chat.completions.stream(**ask) as stream:
    message = stream.get_final_completion().choices[0].message
assert message.refusal == "I will not.", message

# Sources.
[source] = client.chat.completions.create(**ask).choices[0].message.annotations
place = source.url_citation
assert (place.url, place.title, place.end_index) == ("https://birds.example", "Birds", 5), source
chunks = list(client.chat.completions.create(**ask, stream=True))
found = [note for it in chunks for note in getattr(it.choices[0].delta, "annotations", None) or []]
assert [it["url_citation"]["url"] for it in found] == ["https://birds.example"], found

# Responses.
question = {"model": "m", "input": "Hi"}
answer = client.responses.create(**question)
assert (answer.output_text, answer.status) == ("Hello", "completed")
with client.responses.stream(**question) as stream:
    events = list(stream)
    final = stream.get_final_response()
numbers = [it.sequence_number for it in events if hasattr(it, "sequence_number")]
assert numbers == sorted(set(numbers)), numbers
assert "".join(it.delta for it in events if it.type == "response.output_text.delta") == "Hello"
assert (final.output_text, final.usage.total_tokens) == ("Hello", 14)

with client.responses.stream(**question) as stream:
    events = list(stream)
    final = stream.get_final_response()
kinds = [it.type for it in final.output]
assert kinds == ["reasoning", "message", "function_call", "function_call"], kinds
assert final.output[0].summary[0].text == "Hm."
called = [(it.name, json.loads(it.arguments)) for it in final.output[2:]]
assert called == [("weather", {"city": "Bern"}), ("time", {})], called
done = [it for it in events if it.type == "response.function_call_arguments.done"]
assert [json.loads(it.arguments) for it in done] == [{"city": "Bern"}, {}]
added = {it.item.id for it in events if it.type == "response.output_item.added"}
assert added == {it.id for it in final.output}

for whole in (True, False):
    if whole:
        answer = client.responses.create(**question)
    else:
        with client.responses.stream(**question) as stream:
            kinds = [it.type for it in stream]
            answer = stream.get_final_response()
        assert kinds.count("response.output_text.annotation.added") == 1, kinds
    [source] = answer.output[0].content[0].annotations
    assert (source.type, source.url, source.title) == (
        "url_citation", "https://birds.example", "Birds"), source
    assert (source.start_index, source.end_index) == (0, 5), source

assert client.responses.parse(**question, text_format=Bird).output_parsed.wings == 2
with client.responses.stream(**question, text_format=Bird) as stream:
    assert stream.get_final_response().output_parsed == Bird(name="Kea", wings=2)
last = list(client.responses.create(**question, stream=True))[-1]
assert last.type == "response.incomplete", last
assert last.response.incomplete_details.reason == "max_output_tokens"
last = list(client.responses.create(**question, stream=True))[-1]
assert last.type == "response.failed" and last.response.error.message, last

# Errors, each as its own exception.
chat = lambda **more: client.chat.completions.create(**ask, **more)
error = refused(openai.RateLimitError, chat)
assert error.response.headers["retry-after"] == "7"
refused(openai.AuthenticationError, chat)
refused(openai.NotFoundError, chat)
error = refused(openai.BadRequestError, chat)
assert error.code == "context_length_exceeded"
refused(openai.InternalServerError, lambda: chat(stream=True))
refused(openai.RateLimitError, lambda: client.responses.create(**question, stream=True))

said = []
def read():
    for chunk in chat(stream=True):
        said.append(chunk.choices[0].delta.content or "")
error = refused(openai.APIError, read)
assert "".join(said) == "Hel" and error.message, said
print("read")
