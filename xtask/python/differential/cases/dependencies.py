"""Dependencies: what they give, their order, and credentials."""

from collections.abc import Iterator

from case import Case, call, get, send

ITEM = {"name": "n", "price": 1}
AUTHORIZATIONS = [
    None, "Bearer t", "bearer t", "BEARER t", "Bearer", "Bearer ", "Basic dDp0", "t", "", "Bearer  t", "Bearer a b", "Bearer\tt", "Bearertoken",
]  # fmt: skip


def credentials() -> Iterator[Case]:
    for key in (None, "secret", "other", "", " secret "):
        headers = {} if key is None else {"x-api-key": key}
        for path in ("/security/header", "/security/key", "/security/optional-key"):
            yield call("GET", path, headers=headers, name=f"key {key!r}")
    for value in AUTHORIZATIONS:
        headers = {} if value is None else {"authorization": value}
        for path in ("/security/bearer", "/security/optional-bearer"):
            yield call("GET", path, headers=headers, name=f"authorization {value!r}")
    for query in ("", "?key=k", "?key=", "?key=a&key=b", "?Key=k"):
        yield get(f"/security/query{query}")
    for cookie in ("", "key=k", "key=", "other=k"):
        yield call("GET", "/security/cookie", headers={"cookie": cookie} if cookie else {})
    both = {"authorization": "Bearer t", "x-api-key": "k"}
    yield call("GET", "/security/both?n=1", headers=both)
    yield call("GET", "/security/both?n=x", headers=both)
    yield get("/security/both?n=x")
    yield get("/security/both?n=x", headers={"authorization": "Bearer t"})
    yield get("/security/both?n=x", headers={"x-api-key": "k"})


def bodies() -> Iterator[Case]:
    """Who speaks first: the dependency or the body."""
    for key in (None, "secret", "other"):
        headers = {} if key is None else {"x-api-key": key}
        for body in (ITEM, {}, []):
            yield send("/security/body", body, headers=headers, name=f"key {key} {body}")
    yield send("/security/body", text="{", headers={"x-api-key": "secret"})
    yield send("/security/body", text="{", name="no key, broken JSON", differs="body-later")
    yield send(
        "/security/body", text="{", headers={"x-api-key": "other"}, name="wrong key, broken JSON", differs="body-later"
    )


def cases() -> Iterator[Case]:
    for query in ("", "?q=x&skip=3", "?skip=x&limit=y", "?limit=5", "?q="):
        yield get(f"/dependencies/page{query}")
    yield get("/dependencies/siblings/1?own=2", headers={"x-trace": "3"})
    yield get("/dependencies/siblings/1?own=2&q=a&skip=1", headers={"x-trace": "3"})
    yield get("/dependencies/siblings/x?own=y&skip=z", headers={"x-trace": "t"})
    yield get("/dependencies/siblings/1?own=2&skip=z", headers={"x-trace": "3"})
    yield get("/dependencies/siblings/1")
    yield get("/dependencies/siblings/1?own=y")
    for path in ("/dependencies/tree", "/dependencies/tree/error"):
        yield get(path)
        yield call("GET", "/events/6", name=f"after {path}")
    yield get("/dependencies/guard?n=1")
    yield get("/dependencies/guard?n=x")
    yield get("/dependencies/guard?n=1", headers={"x-refuse": "why"})
    yield get("/dependencies/guard?n=x", headers={"x-refuse": "why"})
    yield get("/dependencies/guard", headers={"x-refuse": ""})
    yield from credentials()
    yield from bodies()
