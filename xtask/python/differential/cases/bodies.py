"""Request bodies in JSON."""

import json
from collections.abc import Iterator
from typing import Any

from case import Case, send

HI = [{"role": "user", "content": "hi"}]
DEEP = 140


def chat(**fields: Any) -> dict:
    return {"model": "m", "messages": HI} | fields


CHATS = [
    chat(), {}, [], [1], "x", None, 5, True,
    {"model": None, "messages": HI}, chat(model=1), chat(model=["a"]), chat(messages={}), chat(messages=["x"]),
    chat(messages=[]), chat(messages=HI * 3), chat(messages=HI * 4), chat(messages=None), chat(messages="hi"),
    chat(messages=[{}]), chat(messages=[{"role": "robot", "content": "hi"}]),
    chat(messages=[{"role": "user", "content": ""}]), chat(messages=[{"role": "user", "content": "toolong"}]),
    chat(messages=[{"role": "user", "content": "éééée"}]), chat(messages=[{"role": 1, "content": 2}, None, 5, *HI]),
    chat(messages=[{"role": "user", "content": "hi", "more": 1}]), chat(messages=[{"role": "User", "content": "hi"}]),
    chat(temperature=2), chat(temperature=2.5), chat(temperature=-0.1), chat(temperature=-0.0), chat(temperature=None),
    chat(temperature=[1]), chat(temperature={}), chat(temperature=1e300), chat(temperature=0),
    chat(top_p=0), chat(top_p=0.0), chat(top_p=1), chat(top_p=0.999), chat(n=3), chat(n=4), chat(n=0), chat(n=-2),
    chat(n=1.5), chat(tag="abc"), chat(tag="ABC"), chat(tag=""), chat(tag="abc\n"), chat(tag=None), chat(tag=5),
    chat(stream=True), chat(stream=None), chat(stream=[]), chat(stream=2), chat(stream={}),
    chat(id="67e55044-10b1-426f-9247-bb680e5fe0c8"), chat(id="nope"), chat(id=5), chat(id=""), chat(id=None),
    chat(id="67E5504410B1426F9247BB680E5FE0C8"), chat(id="{67e55044-10b1-426f-9247-bb680e5fe0c8}"),
    chat(id="67e55044-10b1-426f-9247-bb680e5fe0c"), chat(part={"type": "text", "text": "x"}),
    chat(part={"type": "img", "url": "x"}), chat(part={"type": "img"}), chat(part={"type": "img", "url": 1}),
    chat(part={"type": "zzz"}), chat(part={"text": "x"}), chat(part=5), chat(part=None), chat(part={"type": None}),
    chat(meta={"a": 1}), chat(meta={"a": "b"}), chat(meta={"a": None, "b": [1]}), chat(meta=[1]), chat(meta=None),
    chat(foo=1), chat(foo=1, bar=None, temperature=9), chat(model="", tag="X", n=1, top_p=2, temperature=-1),
]  # fmt: skip

# What lax reading takes, and strict reading refuses.
LAX = [
    chat(temperature="1.5"), chat(temperature="hot"), chat(temperature=""), chat(temperature=True), chat(n="4"), chat(n="x"),
    chat(n=True), chat(n=" 4 "), chat(n="4.0"), chat(n="1_0"), chat(stream="yes"), chat(stream="OFF"),
    chat(stream="maybe"), chat(stream=1), chat(stream=0.0), chat(stream=""), chat(meta={"a": "1"}),
    {"messages": "x", "temperature": "hot", "model": 1, "n": "b"},
]  # fmt: skip

TEXTS = [
    "", "  ", "{", "}", "[", '{"model"', '{"model": "x", }', '{"model": "x"', '{"model": "é\U0001f600",}', "{}\n{}", "nul",
    "truth", "'x'", '"a\nb"', '"\\x"', '"\\u12"', "01", "1.", ".5", "-", "+1", "1e", "[1,]", "[1 2]", '{"a" 1}',
    '{"a":}', "{1:2}", '{"a":1,,}', '{"a":1}x', "/*x*/{}", '{"model": "\\ud83d\\ude00"}', "tRue", "[[[[",
]  # fmt: skip


def texts() -> Iterator[Case]:
    for text in TEXTS:
        yield send("/bodies/chat", text=text)
    yield send("/bodies/chat", text=b'{"model": "\xff"}')
    yield send("/bodies/chat", text=b"\xff")
    yield send("/bodies/chat", text=b'{"model": "\xed\xa0\x80"}', differs="json-values")
    yield send("/bodies/chat", text="\ufeff{}", name="a byte order mark", differs="json-utf8")
    yield send("/bodies/chat", text="{}".encode("utf-16"), name="UTF-16", differs="json-utf8")
    yield send("/bodies/chat", text='{"model": 1, "model": "m", "temperature": []}')
    yield send("/bodies/any", text='{"a": 1, "a": 2}')
    yield send("/strict/chat", text=json.dumps(chat())[:-1] + ', "n": 4, "n": 2}', differs="repeated-key")
    for text in ("NaN", "[Infinity]", "-Infinity"):
        yield send("/bodies/any", text=text, differs="json-values")
    yield send("/bodies/any", text="1e999", differs="json-values")
    yield send("/bodies/any", text='"\\ud800"', differs="json-values")
    yield send("/bodies/any", text="[" * DEEP + "]" * DEEP, name=f"{DEEP} levels", differs="json-values")
    yield send("/bodies/any", text="[" * 120 + "]" * 120, name="120 levels")


def content_types() -> Iterator[Case]:
    body = json.dumps(chat())
    for kind in ("application/json; charset=utf-8", "application/vnd.api+json", "APPLICATION/JSON", "application/problem+json"):
        yield send("/bodies/chat", text=body, name=kind, content_type=kind)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonl", "text/json", None):
        yield send("/bodies/chat", text=body, name=str(kind), content_type=kind, differs="content-type")
    yield send("/bodies/chat", text="", name="no type and no body", content_type=None)
    yield send("/bodies/chat", text=b"5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n", name="chunked", headers={"transfer-encoding": "chunked"})


CHECKED = [
    {"model": "m"}, {"model": "bad"}, {"model": "m", "tag": "boom"}, {"model": "bad", "tag": "boom"}, {"model": 5},
    {"model": "m", "messages": [{"role": "user", "content": "toolong"}]}, {"model": "bad", "tag": 5},
    {"model": "bad", "messages": [{"role": "user", "content": "toolong"}]},
    {"model": "m", "tag": "boom", "messages": [{"role": "user", "content": "toolong"}]},
]  # fmt: skip

NUMBERS = [
    {}, {"whole": 0}, {"whole": -1}, {"whole": 2**63 - 1}, {"whole": -(2**63)}, {"whole": 1e3}, {"whole": 1.5},
    {"whole": "12"}, {"whole": "-12"}, {"whole": "+12"}, {"whole": "1e3"}, {"whole": "0x10"}, {"whole": "１２"},
    {"whole": True}, {"whole": []}, {"whole": {}}, {"whole": "" }, {"whole": "007"}, {"whole": "1__0"}, {"whole": " 7"},
    {"real": 0}, {"real": 1}, {"real": -0.0}, {"real": 1e16}, {"real": 1e22}, {"real": 1e-7}, {"real": 0.1}, {"real": 1e300},
    {"real": 123456789012345680}, {"real": "1e3"}, {"real": ".5"}, {"real": "5."}, {"real": "1_0.5"}, {"real": "x"},
    {"real": False}, {"real": []}, {"flag": True}, {"flag": "true"}, {"flag": "f"}, {"flag": "N"}, {"flag": "on"},
    {"flag": 0}, {"flag": 1.0}, {"flag": 2}, {"flag": " true"}, {"flag": "2"}, {"flag": None}, {"flag": 0.5},
    {"positive": 0}, {"positive": 1}, {"positive": -5}, {"positive": "0"}, {"positive": 0.5}, {"percent": 100},
    {"percent": 100.0000001}, {"percent": -1}, {"percent": "101"}, {"percent": 0}, {"half": 1.5}, {"half": 1.25},
    {"half": 0}, {"half": -0.5}, {"half": "0.3"}, {"unknown": 1}, {"whole": "x", "real": "y", "flag": "z", "positive": 0, "half": 0.3},
]  # fmt: skip

TEXT_VALUES = [
    {}, {"any": "é\U0001f600\u0000"}, {"any": ""}, {"any": 5}, {"any": []}, {"any": {}}, {"any": True}, {"any": 1.5},
    {"short": "12345"}, {"short": "123456"}, {"short": "\U0001f600" * 5}, {"short": "\U0001f600" * 6}, {"code": "AB-1"},
    {"code": "ABCD-1"}, {"code": "AB-"}, {"code": "AB-1\n"}, {"code": "ab-1"}, {"role": "user"}, {"role": ""}, {"role": "USER"}, {"role": 5},
    {"role": None}, {"role": ["user"]}, {"email": "a@example.com"}, {"email": "nope"}, {"email": "a@b"}, {"email": ""}, {"email": 5},
    {"email": "a@@b.co"}, {"email": "a b@c.co"}, {"email": "a@b..co"}, {"url": "http://a"}, {"url": "x"}, {"url": ""}, {"url": 5},
    {"url": "http://"}, {"url": "http://a:99999"}, {"url": "mailto:x"}, {"url": "http://[::1"}, {"id": "nope"}, {"id": ""}, {"id": []},
    {"id": "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8"}, {"when": "2024-01-01T10:00:00Z"}, {"when": "nope"}, {"when": "2024-01-01"},
    {"when": "2024-13-01T10:00:00Z"}, {"when": "2024-01-01T25:00:00Z"}, {"when": "2024-01-01 10:00:00"}, {"when": ""}, {"when": []},
    {"when": "2024-01-01T10:00:00+25:00"}, {"when": "2024-02-30T00:00:00"}, {"when": "2024-02-29T12:58:35.286451Z"}, {"when": "2024-02-29T12:58:35.286451+03:39"}, {"when": "2024-02-29T12:58:35.Z"}, {"day": "2024-02-29"}, {"day": "2023-02-29"}, {"day": "x"},
    {"day": "2024-01-01T10:00:00"}, {"day": "2024-01-01T00:00:01.5"}, {"day": "2024-01-01T00:00:00.0Z"}, {"day": {}}, {"at": "10:00"}, {"at": "25:00"}, {"at": "10:60"}, {"at": "12:58:35.286451+03:39"}, {"at": "10:00:00Z"}, {"at": "10:00:00+01:00"}, {"at": "10:00:00.5-00:30"}, {"at": "x"}, {"at": []},
    {"ip": "1.2.3.4"}, {"ip": "1.2.3.256"}, {"ip": "::1"}, {"ip": ""}, {"ip": []},
    {"email": "x", "url": "y", "id": "z", "when": "w", "day": "v", "at": "u", "ip": "t"},
]  # fmt: skip

SHAPES = [
    {}, {"pair": [1, "a"]}, {"pair": [1]}, {"pair": [1, "a", 2]}, {"pair": ["x", 1]}, {"pair": "x"}, {"pair": {}}, {"pair": []},
    {"point": [1, 2]}, {"point": [1]}, {"point": [1, 2, 3, 4]}, {"point": ["1", "x"]}, {"point": {}}, {"point": 5}, {"point": []},
    {"labels": {"a": 1}}, {"labels": {"a": "x", "b": "2"}}, {"labels": []}, {"labels": {"": 0}}, {"labels": "x"},
    {"codes": {"a": [1, "2"]}}, {"codes": {"a": 1}}, {"codes": {"a": ["x"], "b": [None]}}, {"matrix": [[1], [2, 3]]}, {"matrix": [1]},
    {"matrix": [[1, "x"], ["y"]]}, {"matrix": [[]]}, {"tags": ["a", "b"]}, {"tags": ["a", "a"]}, {"tags": [1]}, {"tags": "a"}, {"tags": {}},
    {"tree": {"name": "a"}}, {"tree": {"name": "a", "children": [{"name": "b", "children": [{"name": 5}]}]}},
    {"tree": {"children": [{}]}}, {"tree": "x"}, {"tree": {"name": "a", "children": [5, {"name": "x", "children": None}]}},
]  # fmt: skip

UNIONS = [
    {}, {"part": {"type": "text", "text": "t"}}, {"part": {"type": "img", "url": "u"}}, {"part": {"type": "img", "text": "u"}},
    {"part": {"type": "audio"}}, {"part": {"type": 5}}, {"part": {"type": ["text"]}}, {"part": "text"}, {"part": []},
    {"parts": [{"type": "text", "text": "t"}, {"type": "img"}, {"type": "x"}, {}, 1]}, {"parts": {}}, {"stop": "a"}, {"stop": ["a", "b"]},
    {"stop": []}, {"stop": 5}, {"stop": ["a", 5]}, {"stop": None}, {"stop": {}}, {"stop": [["a"]]}, {"part": {"type": "text", "text": 1}, "stop": 1},
]  # fmt: skip

ACCOUNTS = [
    {"firstName": "a"}, {"firstName": "a", "homeTown": "b"}, {"firstName": "a", "homeTown": None, "maxTokens": 3}, {"first_name": "a"},
    {}, {"firstName": 5, "maxTokens": "x"}, {"firstName": "a", "maxTokens": "7"}, {"firstname": "a", "x": 1},
]  # fmt: skip

ANYTHING = [
    None, True, 0, -1, 1.5, "x", "", [], {}, [1, [2, {"a": None}]], {"b": 1, "a": {"z": [], "y": {}}}, "é\U0001f600\u2028\x7f\\\"/\n",
    1e16, 1e22, -0.0, 0.1, 1e-7, 1.0, 100.0, 2**53 + 1, 2**63 - 1, {"": ""},
]  # fmt: skip

ITEM = {"name": "n", "price": 1}


def items() -> Iterator[Case]:
    for target in ("/bodies/items/7", "/bodies/items/7?q=x", "/bodies/items/x?q=x", "/bodies/items/-1?q="):
        yield send(target, ITEM, method="PUT")
        yield send(target, ITEM | {"price": -1}, method="PUT")
    yield send("/bodies/items/x", {}, method="PUT")
    yield send("/bodies/items/x", text="{", method="PUT")
    yield send("/bodies/items/x", text="", method="PUT")
    yield send("/bodies/items/7", ITEM | {"tags": ["a", 1]}, method="PATCH")
    yield send("/bodies/items/7", ITEM | {"tags": ["a"]}, method="PATCH")
    yield send("/bodies/items/7", [ITEM], method="PATCH")


def edges() -> Iterator[Case]:
    yield send("/bodies/list", HI)
    yield send("/bodies/list", [])
    yield send("/bodies/list", {"role": "user"})
    yield send("/bodies/list", [*HI, {"role": 1}, 7])
    yield send("/bodies/list", None)
    yield send("/bodies/list", "hi")
    yield send("/bodies/list", [["user", "hi"]], differs="list-for-struct")
    yield send("/bodies/list", [5] * 101, name="101 errors", differs="list-end")
    yield send("/bodies/list", [5] * 100, name="100 errors")
    yield send("/bodies/numbers", {"whole": 2**63}, differs="integer-range")
    yield send("/bodies/numbers", {"whole": -(2**63) - 1}, differs="integer-range")
    yield send("/bodies/texts", {"when": 5}, differs="dates-as-numbers")
    yield send("/bodies/texts", {"day": 5}, differs="dates-as-numbers")
    yield send("/bodies/any", "x" * (2 << 20), name="2 MiB and two bytes", differs="body-limit")
    yield send("/bodies/any", "x" * ((2 << 20) - 2), name="2 MiB")


def cases() -> Iterator[Case]:
    for body in CHATS:
        yield send("/bodies/chat", body)
    for body in CHATS[:: 4]:
        yield send("/strict/chat", body)
    for body in LAX:
        yield send("/bodies/chat", body)
        yield send("/strict/chat", body, differs="strict-json")
    for path, bodies in {
        "/bodies/checked": CHECKED,
        "/bodies/numbers": NUMBERS,
        "/bodies/texts": TEXT_VALUES,
        "/bodies/shapes": SHAPES,
        "/bodies/unions": UNIONS,
        "/bodies/account": ACCOUNTS,
        "/bodies/any": ANYTHING,
    }.items():
        for body in bodies:
            differs = None
            if path == "/bodies/checked" and body.get("model") == "bad" and isinstance(body.get("tag"), int):
                differs = "own-checks"
            yield send(path, body, differs=differs)
    for body in (chat(n=2e0), chat(meta={"a": 1.0}), chat(n=-0.0)):
        for path in ("/bodies/chat", "/strict/chat"):
            yield send(path, body, name=f"whole {body}")
    yield from texts()
    yield from content_types()
    yield from items()
    yield from edges()
