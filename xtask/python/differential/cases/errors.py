"""Errors: raised, unhandled, and with handlers of their own."""

from collections.abc import Iterator

from case import Case, call, get, send


def cases() -> Iterator[Case]:
    for status in (400, 401, 402, 403, 404, 405, 409, 410, 418, 422, 429, 451, 499, 500, 501, 502, 503, 504, 599):
        yield get(f"/errors/status/{status}")
    for kind in ("object", "list", "number", "text"):
        yield get(f"/errors/detail/{kind}")
    yield get("/errors/headers")
    yield get("/errors/login")
    yield get("/errors/unhandled", differs="all-json")
    yield send("/errors/body/0", {"name": "n", "price": 1})
    yield send("/errors/body/1", {"name": "n", "price": 1})
    yield send("/errors/body/0", {})
    yield send("/errors/body/x", {"name": 5, "price": -1})
    yield get("/errors/own/3")
    yield get("/errors/own/x")
    for path in ("/nope", "/query/nope", "/errors", "/errors/status", "//", "/%2F", "/nope?x=1"):
        yield get(path)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        yield call(method, "/nope", body="{}")
