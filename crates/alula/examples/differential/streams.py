"""Streams: server-sent events and JSON Lines."""

from collections.abc import AsyncIterable, Iterable
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from bodies import Item
from dependencies import other, user
from events import note

router = APIRouter(tags=["Streams"])


class Token(BaseModel):
    token: str
    index: int | None = None


@router.get("/streams/tokens", response_class=EventSourceResponse)
async def tokens(count: Annotated[int, Query(le=100)] = 3) -> AsyncIterable[Token]:
    for index in range(count):
        yield Token(token=f"é {index}", index=index)


@router.get("/streams/texts", response_class=EventSourceResponse)
async def texts() -> AsyncIterable[str]:
    yield "one\ntwo"
    yield ""


@router.get("/streams/events", response_class=EventSourceResponse)
async def events() -> AsyncIterable[ServerSentEvent]:
    yield ServerSentEvent(data={"a": 1}, event="start", id="1", retry=3000)
    yield ServerSentEvent(comment="still here")
    yield ServerSentEvent(raw_data="one\ntwo\r\nthree", id="")
    yield ServerSentEvent(raw_data="[DONE]")


@router.post("/streams/chat", response_class=EventSourceResponse)
async def chat(user: Annotated[str, Depends(user)], item: Item) -> AsyncIterable[Token]:
    yield Token(token=f"{user} {item.name}")


@router.get("/streams/lines")
async def lines(count: Annotated[int, Query(le=100)] = 3) -> AsyncIterable[Token]:
    for index in range(count):
        yield Token(token="t", index=index)


@router.get("/streams/order", response_class=EventSourceResponse)
async def order(
    other: Annotated[bool, Depends(other)], tasks: BackgroundTasks
) -> AsyncIterable[int]:
    tasks.add_task(note, "task")
    for item in range(2):
        note(f"item {item}")
        yield item
