"""Paths, queries, headers and cookies."""

from collections.abc import Iterator

from case import Case, call, get, send

QUERIES = {
    "/query": [
        "", "skip=1", "skip=", "skip=+1", "skip=%2B1", "skip=%201%20", "skip=1.0", "skip=1.5", "skip=1_000", "skip=x&skip=2", "skip=1&skip=x",
        "limit=abc&role=zz&flag=perhaps&tags=1&tags=x&name=a", "skip=1&limit=101", "skip=1&limit=100", "skip=1&flag=yes", "skip=1&flag=OFF",
        "skip=1&flag=%20true", "skip=1&flag=", "skip=1&flag=1", "skip=1&flag=2", "skip=1&tags=3", "skip=1&tags=3&tags=4", "skip=1&tags=",
        "skip=1&tags=1,2", "skip=1&name=abc", "skip=1&name=", "skip=1&name=%C3%A9%C3%A9%C3%A9", "skip=1&name=123456789", "skip=1&role=system",
        "skip=1&role=", "skip=1&ratio=2", "skip=1&ratio=.5", "skip=1&ratio=", "skip=1&ratio=x", "skip=1&ratio=1e3", "skip=1&id=nope", "skip=1&id=",
        "skip=1&id=67e55044-10b1-426f-9247-bb680e5fe0c8", "skip=1&unknown=2", "Skip=1", "skip=1&code=abc", "skip=1&code=A1", "skip=1&code=",
        "skip=1&&&", "&skip=1", "skip=1;limit=2", "skip", "skip=1&name=a+b", "skip=1&name=a%2Bb", "skip=1&name=a%20b", "skip=1&name=%zz%",
        "skip=1&name=%F0%9F%98%80ab", "skip=1&name=a=b", "skip=0x1", "skip=9223372036854775807", "skip=-1", "skip=1&flag=true&flag=false",
        "skip=1&name=%ff%ffa",
    ],
    "/query/alias": ["", "item-query=ab", "item-query=a", "item=ab", "item-query=ab&item-query=a", "item%2Dquery=ab"],
    "/query/lists": ["", "tags=", "tags=1", "tags=1&tags=2&more=a", "tags=1&more=a&more=b", "more=a", "tags=x&tags=y&more="],
    "/query/filter": ["", "limit=3&order=b", "limit=x", "limit=0", "order=c", "limit=3&limit=4", "order="],
}  # fmt: skip

PATHS = [
    "/path/int/7", "/path/int/-7", "/path/int/abc", "/path/int/1.0", "/path/int/%207", "/path/int/007", "/path/int/1_0", "/path/int/",
    "/path/int/9223372036854775807", "/path/int/1e3", "/path/float/1.5", "/path/float/1", "/path/float/x", "/path/float/1e16",
    "/path/bool/yes", "/path/bool/0", "/path/bool/maybe", "/path/text/a", "/path/text/%C3%A9", "/path/text/a%20b", "/path/text/a+b",
    "/path/text/a%2Bb", "/path/text/%25", "/path/text/a%3Fb", "/path/text/..", "/path/text/%2E%2E", "/path/text/a;b=c", "/path/text/a%00b",
    "/path/uuid/nope", "/path/uuid/67e55044-10b1-426f-9247-bb680e5fe0c8", "/path/uuid/67E5504410B1426F9247BB680E5FE0C8", "/path/role/user",
    "/path/role/USER", "/path/role/x", "/path/pair/1/yes", "/path/pair/x/y", "/path/pair/x/zz", "/path/pair/1", "/path/table/ab/1", "/path/table/a/0",
    "/path/table/ab/1000", "/path/table/ab/x", "/path/table/%C3%A9/999", "/path/file/a", "/path/file/a/b/c.txt", "/path/file/a%20b", "/path/file/a//b",
    "/path/file/a/../b", "/path/file/a/",
]  # fmt: skip

HEADERS = [
    [], [("x-token", "t")], [("n", "x")], [("x-token", "t"), ("n", "5")], [("x_token", "t")], [("X-TOKEN", "t")], [("x-token", "")],
    [("x-token", "t"), ("x-tags", "1"), ("x-tags", "z")], [("x-token", ""), ("x-tags", "4")], [("x-token", "t"), ("n", "")],
    [("x-token", "t"), ("n", " 5 ")], [("x-token", "t"), ("x-tags", "1, 2")], [("x-token", "a"), ("x-token", "b")], [("x-token", "a b;c=d")],
]  # fmt: skip

COOKIES = [
    "", "session=abc", "session=ab; n=x", "session=abc; n=4", "session=abc;n=4", 'session="abc"', "session=abc; session=def", "other=1; session=abc",
    "session", "=abc", "session=a=b=c", "session=abc; n=", "SESSION=abc", "session=%C3%A9abc", ";;; session=abc", "session=abc; n = 4",
]  # fmt: skip


def cases() -> Iterator[Case]:
    for path, queries in QUERIES.items():
        for query in queries:
            yield get(f"{path}?{query}" if query else path)
    # A model in FastAPI: `input` of what is missing shows all of it.
    yield get("/query/filter?limit=0&order=c&tool=x")
    yield get("/query/filter?tool=x&tool=y&other=")
    for number in ("nan", "inf", "-Infinity"):
        yield get(f"/query?skip=1&ratio={number}", differs="nan")
        yield get(f"/path/float/{number}", differs="nan")
    for path in PATHS:
        yield get(path)
    yield get("/path/text/%FF", differs="path-utf8")
    yield get("/path/text/a%2Fb", differs="raw-path")
    yield get("/path/int/7/", differs="trailing-slash")
    for query in ("", "?x=1", "?y=a"):
        yield get(f"/query/model{query}", differs="missing-input")
    yield get("/query/model?x=1&y=2")
    for headers in HEADERS:
        yield call("GET", "/header", headers=headers)
    yield call("GET", "/header/agent", headers={"user-agent": "test/1.0"})
    yield get("/header/agent")
    for cookie in COOKIES:
        yield call("GET", "/cookie", headers={"cookie": cookie} if cookie else {})
    yield call("GET", "/cookie", headers=[("cookie", "session=abc"), ("cookie", "n=4")])
    wrong = {"h": "i"}
    yield send("/all/x?q=y", {"y": "z"}, name="no cookie", headers=wrong)
    yield send("/all/x?q=y", {"y": "z"}, headers=wrong | {"cookie": "c=d"})
    yield send("/all/1?q=2", {"y": 5}, headers={"h": "3", "cookie": "c=4"})
    yield send("/all/1", {})
    yield send("/all/x", text="")
    yield send("/all/x", text="{")
    yield send("/all/x?q=y", text="{}", name="text/plain", content_type="text/plain", differs="alone")
