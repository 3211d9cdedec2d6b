"""A proxy in FastAPI and httpx, as one finds it in tutorials: it knows one key and one model.

It prints its address when it is ready, and ends when its standard input is closed.
"""

import json
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

PROVIDER, PROVIDER_KEY, CLIENT_KEY, MODEL = sys.argv[1:]


@asynccontextmanager
async def lifespan(app: FastAPI):
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=10, limits=limits, trust_env=False) as client:
        app.state.client = client
        print(address, flush=True)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/chat/completions")
async def chat(request: Request) -> Response:
    if request.headers.get("authorization") != f"Bearer {CLIENT_KEY}":
        raise HTTPException(401)
    body = await request.json()
    body["model"] = MODEL
    client = request.app.state.client
    call = client.build_request(
        "POST",
        f"http://{PROVIDER}/v1/chat/completions",
        content=json.dumps(body),
        headers={"authorization": f"Bearer {PROVIDER_KEY}", "content-type": "application/json"},
    )
    answer = await client.send(call, stream=bool(body.get("stream")))
    kind = answer.headers.get("content-type")
    if not body.get("stream"):
        return Response(answer.content, answer.status_code, media_type=kind)

    async def pieces():
        try:
            async for piece in answer.aiter_raw():
                yield piece
        finally:
            await answer.aclose()

    return StreamingResponse(pieces(), answer.status_code, media_type=kind)


def end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)


config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False)
listener = config.bind_socket()
listener.listen(config.backlog)
address = "%s:%d" % listener.getsockname()
threading.Thread(target=end_with_stdin, daemon=True).start()
uvicorn.Server(config).run(sockets=[listener])
