"""LangChain as a client of OpenAI, asking `alula serve` in the order of the turns of `script.rs`."""

import sys
import time

import openai
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

URL, MODELS = sys.argv[1], sys.argv[2:]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ASK = [SystemMessage("Be brief."), HumanMessage("Hi")]


class Bird(BaseModel):
    name: str
    wings: int


def weather(city: str) -> str:
    """The weather in a city."""
    return "sunny"


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def whole(chunks):
    """The sum of the pieces of an answer."""
    first, *rest = chunks
    for chunk in rest:
        first = first + chunk
    return first


def left():
    """Waits until the provider has noticed that a call was broken off."""
    print("left", flush=True)
    sys.stdin.readline()


for model in MODELS:
    def chat(**more):
        more = {"max_retries": 0, "max_tokens": 64, "stream_usage": True, **more}
        return ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key="unused", **more)
    llm = chat()

    # Whole, and streamed with usage.
    answer = llm.invoke(ASK)
    assert answer.content == "Hello", answer
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (12, 2)
    chunks = list(llm.stream(ASK))
    assert [it.content for it in chunks if it.content] == ["Hel", "lo"], chunks
    assert whole(chunks).usage_metadata["total_tokens"] == 14, chunks

    # A tool is called, and its result goes back.
    with_tools = llm.bind_tools([weather])
    message = whole(with_tools.stream(ASK))
    [call] = message.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Bern"}), message
    result = ToolMessage(weather(**call["args"]), tool_call_id=call["id"])
    assert with_tools.invoke([*ASK, message, result]).content == "Sunny."

    # Structured output.
    assert llm.with_structured_output(Bird).invoke(ASK) == Bird(name="Kea", wings=2)

    # Pictures, by address and as bytes.
    picture = lambda url: {"type": "image_url", "image_url": {"url": url}}
    answer = llm.invoke([HumanMessage([
        {"type": "text", "text": "What is it?"}, picture("https://birds.example/kea.png"),
        picture(f"data:image/png;base64,{PICTURE}")])])
    assert answer.content == "A kea."

    assert llm.invoke(ASK, stop=["END"]).content == "One"

    # Reasoning, which this client passes over.
    assert llm.invoke(ASK).content == "Yes"
    assert whole(llm.stream(ASK)).content == "Yes"

    # Errors, each as its own exception.
    invoke = lambda: llm.invoke(ASK)
    error = refused(openai.RateLimitError, invoke)
    assert error.response.headers["retry-after"] == "7", error.response.headers
    error = refused(openai.BadRequestError, invoke)
    assert error.code == "context_length_exceeded", error
    assert refused(openai.NotFoundError, invoke).code == "model_not_found"
    refused(openai.InternalServerError, invoke)
    refused(openai.InternalServerError, invoke)

    # A failure that passes is tried again, when the SDK was told to.
    start = time.monotonic()
    assert chat(max_retries=1).invoke(ASK).content == "Hello"
    assert time.monotonic() - start >= 1

    said = []
    def read():
        for chunk in llm.stream(ASK):
            said.append(chunk.content)
    refused(openai.APIError, read)
    assert "".join(said) == "Hel", said

    # A client that gives up, before the answer and in the middle of it.
    refused(openai.APITimeoutError, lambda: chat(timeout=0.5).invoke(ASK))
    left()
    stream = llm.stream(ASK)
    while not next(stream).content:
        pass
    stream.close()
    left()

    # Responses.
    responses = chat(use_responses_api=True)
    answer = responses.invoke(ASK)
    assert answer.text == "Hello", answer
    answer = whole(responses.stream(ASK))
    assert (answer.text, answer.usage_metadata["total_tokens"]) == ("Hello", 14), answer

    # What not every provider has.
    embeddings = OpenAIEmbeddings(model=model, base_url=f"{URL}/v1", api_key="unused",
                                  max_retries=0, check_embedding_ctx_length=False)
    embed = lambda: embeddings.embed_documents(["a b", "c"])
    several = lambda: chat(n=2, logprobs=True, top_logprobs=1).generate([ASK]).generations[0]
    if model == "anthropic/m":
        assert "one answer" in refused(openai.BadRequestError, several).message
        refused(openai.BadRequestError, embed)
        continue
    answers = several()
    assert [it.message.content for it in answers] == ["Yes", "No"], answers
    [token] = answers[0].message.response_metadata["logprobs"]["content"]
    assert (token["token"], token["logprob"]) == ("Yes", -0.25), token
    assert embed() == [[0.5, 0.25], [0.0, 1.0]]
print("read")
