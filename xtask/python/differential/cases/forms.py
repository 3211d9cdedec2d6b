"""Forms, files and raw bodies."""

from collections.abc import Iterator

from case import Case, call

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"

ORDERS = [
    "", "item=ab", "item=a", "item=123456789", "item=ab&count=3", "item=ab&count=0", "item=ab&count=x", "item=ab&count=10", "item=ab&count=",
    "item=&count=", "item=ab&price=1.5", "item=ab&price=x", "item=ab&price=", "item=ab&tags=1&tags=2", "item=ab&tags=1", "item=ab&tags=x&tags=2",
    "item=ab&tags=", "item=ab&role=system", "item=ab&role=x", "item=ab&gift=on", "item=ab&gift=yes", "item=ab&gift=perhaps", "item=ab&gift=",
    "item=ab&item=cd", "item=%C3%A9%C3%A9", "item=a+b", "item=a%2Bb", "item=a%26b", "item=ab&unknown=1", "ITEM=ab", "&&item=ab&&", "item", "=ab",
    "item=ab;count=3", "item=ab&count= 3", "item=ab&count=3.0", "count=x&price=y&gift=z&tags=w",
]  # fmt: skip


def field(name: str, value: str) -> str:
    return f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def file(name: str, content: str, filename: str = "a.txt", kind: str | None = "text/plain") -> str:
    kind = f"content-type: {kind}\r\n" if kind else ""
    return f'--b\r\ncontent-disposition: form-data; name="{name}"; filename="{filename}"\r\n{kind}\r\n{content}\r\n'


END = "--b--\r\n"

FILES = {
    "/files/one": {
        "a file": file("file", "hello") + END,
        "an empty file": file("file", "") + END,
        "no type": file("file", "x", kind=None) + END,
        "a name beyond ASCII": file("file", "x", filename="é \U0001f600.txt") + END,
        "a path as a name": file("file", "x", filename="../a/b.txt") + END,
        "lines": file("file", "a\r\n-\r\n--\r\n--c\r\n") + END,
        "nothing": END,
        "another name": file("other", "x") + END,
        "two files": file("file", "one") + file("file", "two", "b.txt") + END,
        "a large file": file("file", "x" * 200_000) + END,
    },
    "/files/optional": {
        "both": file("file", "x") + field("note", "n") + END,
        "a file": file("file", "x") + END,
        "a note": field("note", "n") + END,
        "an empty note": field("note", "") + END,
        "nothing": END,
        "no file chosen": file("file", "", filename="", kind="application/octet-stream") + END,
    },
    "/files/many": {
        "two": field("title", "ab") + file("files", "one") + file("files", "two", "b.bin", "x/y") + END,
        "one": file("files", "one") + field("title", "ab") + END,
        "no file": field("title", "ab") + END,
        "no title": file("files", "one") + END,
        "a short title": file("files", "one") + field("title", "a") + END,
        "nothing": END,
    },
    "/forms/order": {
        "multipart": field("item", "ab") + field("count", "3") + field("tags", "1") + field("tags", "2") + END,
        "multipart mistakes": field("item", "a") + field("count", "x") + END,
        "multipart empty": field("item", "") + END,
        "multipart beyond ASCII": field("item", "éé") + END,
    },
}
# An error shows the form, with a file in it.
SHOWN = [("/files/one", "another name"), ("/files/many", "no title")]


def cases() -> Iterator[Case]:
    for form in ORDERS:
        yield call("POST", "/forms/order", form, {"content-type": URLENCODED}, form)
    yield call("POST", "/forms/order", "no body", {"content-type": URLENCODED})
    yield call("POST", "/forms/order", "charset", {"content-type": f"{URLENCODED}; charset=utf-8"}, "item=ab")
    for kind in ("application/json", "text/plain"):
        yield call("POST", "/forms/order", kind, {"content-type": kind}, "item=ab", "form-type")
    for form in ("a=1", "", "a=1&b=2", "b=2", "a=1&a=2"):
        yield call("POST", "/forms/exact", form, {"content-type": URLENCODED}, form)
    for path, bodies in FILES.items():
        for name, body in bodies.items():
            differs = "shown-file" if (path, name) in SHOWN else None
            yield call("POST", path, name, {"content-type": MULTIPART}, body, differs)
    yield call("POST", "/files/one", "a text", {"content-type": MULTIPART}, field("file", "x") + END)
    yield call("POST", "/files/one", "no end", {"content-type": MULTIPART}, file("file", "x"), "broken-multipart")
    yield call("POST", "/files/one", "garbage", {"content-type": MULTIPART}, "garbage", "broken-multipart")
    yield call("POST", "/files/one", "no boundary", {"content-type": "multipart/form-data"}, END)
    yield call("POST", "/files/optional", "URL-encoded", {"content-type": URLENCODED}, "note=n")
    yield call("POST", "/files/one", "URL-encoded", {"content-type": URLENCODED}, "file=x")
    for body in ("", "é", "a\r\nb", "{}"):
        yield call("POST", "/raw/text", repr(body), {"content-type": "text/plain"}, body)
