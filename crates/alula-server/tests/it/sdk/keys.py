"""Clients with a good key, and with another one; see `mod.rs`."""

import sys

import anthropic
import openai
from langchain_openai import ChatOpenAI

URL, KEY = sys.argv[1:]
ASK = {"model": "openai/m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}


def with_openai(key):
    client = openai.OpenAI(base_url=f"{URL}/v1", api_key=key, max_retries=0)
    return client.chat.completions.create(**ASK).choices[0].message.content


def with_langchain(key):
    llm = ChatOpenAI(model="openai/m", base_url=f"{URL}/v1", api_key=key, max_retries=0)
    return llm.invoke("Hi").content


def with_anthropic(key):
    client = anthropic.Anthropic(base_url=URL, api_key=key, max_retries=0)
    return client.messages.create(**ASK).content[0].text


for ask, kind in [(with_openai, openai.AuthenticationError), (with_langchain, openai.AuthenticationError),
                  (with_anthropic, anthropic.AuthenticationError)]:
    assert ask(KEY) == "Hello"
    try:
        ask("sk-proj-1234")
        raise AssertionError("the other key is good too")
    except kind as error:
        assert error.status_code == 401 and "not a key of this server" in str(error), error
print("read")
