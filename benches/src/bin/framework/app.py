"""The same endpoint in FastAPI, on uvicorn with two workers.

As the other servers, it prints its address once for each worker that is ready, and ends when
its standard input is closed.
"""

import multiprocessing
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from uvicorn.supervisors import Multiprocess

WORKERS = 2


class Role(StrEnum):
    system = "system"
    user = "user"
    assistant = "assistant"
    tool = "tool"


class Message(BaseModel):
    role: Role
    content: Annotated[str, Field(min_length=1)]


class Chat(BaseModel):
    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=100)]
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None


@asynccontextmanager
async def lifespan(app: FastAPI):
    end_with(multiprocessing.parent_process().join)
    print(os.environ["ADDRESS"], flush=True)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/echo")
async def echo(chat: Chat) -> Chat:
    return chat


def end_with(wait) -> None:
    """Ends this process when `wait` returns."""

    def watch() -> None:
        wait()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    config = uvicorn.Config(
        "app:app", host="127.0.0.1", port=0, workers=WORKERS, log_level="warning", access_log=False
    )
    socket = config.bind_socket()
    os.environ["ADDRESS"] = "%s:%d" % socket.getsockname()
    end_with(sys.stdin.read)
    Multiprocess(config, sockets=[socket]).run()


if __name__ == "__main__":
    main()
