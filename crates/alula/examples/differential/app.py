"""The FastAPI application of the differential test; `main.rs` is the same in Alula.

    python app.py

Each module here stands beside its twin of the same name. It serves on a free port and prints the
address.
"""

import socket

import uvicorn
from fastapi import FastAPI

import answers
import bodies
import dependencies
import errors
import events
import forms
import media
import parameters
import routers
import security
import streams

app = FastAPI(title="Differential", version="1.0.0")
MODULES = (
    bodies,
    parameters,
    dependencies,
    errors,
    answers,
    streams,
    forms,
    media,
    security,
    events,
    routers,
)
for module in MODULES:
    app.include_router(module.router)
errors.add_handlers(app)


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="critical", http="h11", loop="asyncio", ws="none")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
