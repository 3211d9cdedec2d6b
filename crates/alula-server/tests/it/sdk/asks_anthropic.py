"""A client of Anthropic, asking `alula serve` in the order of the turns of `sdk/mod.rs`."""

import sys

import anthropic

URL, MODELS = sys.argv[1], sys.argv[2:]
client = anthropic.Anthropic(base_url=URL, api_key="unused", max_retries=0)
tools = [{"name": "weather", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}}}]


def refused(kind, call):
    try:
        call()
    except kind as error:
        assert type(error) is kind, type(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


for model in MODELS:
    ask = {"model": model, "max_tokens": 64, "system": "Be brief.",
           "messages": [{"role": "user", "content": "Hi"}]}

    answer = client.messages.create(**ask)
    assert answer.content[0].text == "Hello" and answer.stop_reason == "end_turn", answer
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 2)
    with client.messages.stream(**ask) as stream:
        assert "".join(stream.text_stream) == "Hello"
        assert stream.get_final_message().usage.output_tokens == 2

    with client.messages.stream(**ask, tools=tools) as stream:
        message = stream.get_final_message()
    call = message.content[-1]
    assert (call.type, call.input) == ("tool_use", {"city": "Bern"}), message
    assert message.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    conversation = [*ask["messages"],
                    {"role": "assistant", "content": message.model_dump(exclude_none=True)["content"]},
                    {"role": "user", "content": [result]}]
    answer = client.messages.create(**{**ask, "messages": conversation}, tools=tools)
    assert answer.content[0].text == "Sunny."

    create = lambda **more: client.messages.create(**ask, **more)
    error = refused(anthropic.RateLimitError, create)
    assert error.response.headers["retry-after"] == "7"
    error = refused(anthropic.BadRequestError, create)
    assert "prompt is too long" in error.message, error
    error = refused(anthropic._exceptions.OverloadedError, lambda: create(stream=True))
    assert error.status_code == 529

    said = []
    def read():
        with client.messages.stream(**ask) as stream:
            said.extend(stream.text_stream)
    refused(anthropic.APIStatusError, read)
    assert said == ["Hel"], said

# By the provider's own count, and by an estimate.
question = [{"role": "user", "content": "one two three"}]
count = lambda model: client.messages.count_tokens(model=model, messages=question).input_tokens
assert count("anthropic/m") == 21
assert count("openai/m") >= 3
print("read")
