"""Routers: prefixes, precedence, methods, documentation."""

from collections.abc import Iterator

from case import Case, call, get

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")


def cases() -> Iterator[Case]:
    for path in (
        "/", "/v1/users/me", "/v1/users/ada", "/v1/users/ada/items/7", "/v1/users/ada/items/x", "/users/me", "/v1/users", "/v1/me",
        "/V1/users/me", "/outer/own?token=t", "/outer/own", "/outer/own?token=x", "/outer/mid/inner?token=t", "/outer/mid/inner",
        "/outer/mid/inner/deep/3?token=t", "/outer/mid/inner/deep/x?token=t", "/outer/mid/inner/deep/x?token=u", "/outer/mid/inner/deep/x", "/outer",
        "/inner",
    ):  # fmt: skip
        yield get(path)
    yield get("/v1/users/%6De", differs="raw-path")
    yield get("/v1/users/me/", differs="trailing-slash")
    yield get("/outer/mid/inner/?token=t", differs="trailing-slash")
    for method in METHODS[1:]:
        yield call(method, "/v1/users/me/nothing")
        yield call(method, "/query", differs="head" if method == "HEAD" else None)
    differs = {"HEAD": "head", "DELETE": "no-content", "POST": None}
    for method in METHODS[1:]:
        yield call(method, "/v1/users/ada", differs=differs.get(method, "allow"))
    yield call("GET", "/answers/created")
    yield call("GET", "/bodies/items/7", differs="allow")
    yield call("GET", "/answers/head")
    yield call("OPTIONS", "/", headers={"origin": "http://a", "access-control-request-method": "GET"})
