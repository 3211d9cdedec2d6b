"""Streams and background tasks."""

from collections.abc import Iterator

from case import Case, call, get, send


def cases() -> Iterator[Case]:
    for path in ("tokens", "tokens?count=0", "tokens?count=1", "tokens?count=101", "tokens?count=x", "texts", "lines?count=x"):
        yield get(f"/streams/{path}")
    for path in ("lines", "lines?count=0"):
        yield get(f"/streams/{path}", differs="lines-unbuffered")
    yield get("/streams/events", differs="compact-events")
    key = {"x-api-key": "secret"}
    yield send("/streams/chat", {"name": "n", "price": 1}, headers=key)
    yield send("/streams/chat", {"name": "n", "price": -1}, headers=key)
    yield send("/streams/chat", {})
    yield get("/streams/order")
    yield call("GET", "/events/8", name="after /streams/order")
    for path, count in {"/tasks": 3, "/tasks/error": 1}.items():
        yield call("POST", path)
        yield call("GET", f"/events/{count}", name=f"after {path}")
    yield call("POST", "/tasks/failing")
    yield call("GET", "/events/1", name="after /tasks/failing")
