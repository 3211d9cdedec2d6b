"""Clients of OpenAI and Anthropic, asking what was once recorded; see `recordings.rs`."""

import json
import sys

import anthropic
import openai
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk

URL, API, LIST = sys.argv[1:]


class OpenAI:
    client = openai.OpenAI(base_url=f"{URL}/v1", api_key="unused", max_retries=0)
    path, whole, error = "/chat/completions", ChatCompletion, openai.APIStatusError
    stream = openai.Stream[ChatCompletionChunk]

    @staticmethod
    def read(answer):
        message = answer.choices[0].message
        calls = [[it.function.name, it.function.arguments] for it in message.tool_calls or []]
        return message.content or "", calls

    @staticmethod
    def read_stream(chunks):
        text, calls = "", []
        for chunk in chunks:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for piece in choice.delta.tool_calls or []:
                    if piece.index == len(calls):
                        calls.append([piece.function.name, ""])
                    calls[piece.index][1] += piece.function.arguments or ""
        return text, calls


class Anthropic:
    client = anthropic.Anthropic(base_url=URL, api_key="unused", max_retries=0)
    path, whole, error = "/v1/messages", Message, anthropic.APIStatusError
    stream = anthropic.Stream[RawMessageStreamEvent]

    @staticmethod
    def read(answer):
        text = "".join(it.text for it in answer.content if it.type == "text")
        calls = [[it.name, json.dumps(it.input)] for it in answer.content if it.type == "tool_use"]
        return text, calls

    @staticmethod
    def read_stream(events):
        text, calls = "", []
        for event in events:
            if event.type == "content_block_start" and event.content_block.type == "tool_use":
                calls.append([event.content_block.name, ""])
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
            elif event.type == "content_block_delta" and event.delta.type == "input_json_delta" and calls:
                calls[-1][1] += event.delta.partial_json
        return text, calls


api = {"openai": OpenAI, "anthropic": Anthropic}[API]


def ask(body):
    streams = body.get("stream", False)
    kind = {"stream": True, "stream_cls": api.stream} if streams else {}
    answer = api.client.post(api.path, body=body, cast_to=api.whole, **kind)
    text, calls = api.read_stream(answer) if streams else api.read(answer)
    return text, [[name, json.loads(arguments or "{}")] for name, arguments in calls]


with open(LIST) as file:
    questions = json.load(file)
for question in questions:
    try:
        answer = ask(question["body"])
        assert answer == (question["text"], question["calls"]), (question, answer)
    except api.error as error:
        assert error.status_code == question["status"], (question["file"], error)
print("read")
