"""Answers that are no JSON, and the head of an answer."""

from collections.abc import Iterator

from case import Case, call, get

RANGES = ["bytes=0-9", "bytes=10-", "bytes=-5", "bytes=600-700", "bytes=9999-", "bytes=5-2", "bytes=0-0", "bytes=-0", "bytes=x", "bytes=0-99999"]
REFUSED = ["bytes=9999-", "bytes=5-2", "bytes=-0", "bytes=x"]


def cases() -> Iterator[Case]:
    for path in ("html", "text", "redirect", "see-other", "file", "download", "stream", "bytes"):
        yield get(f"/media/{path}")
    for target in ("/a?b=c%26d#e", "https://example.com/é", "/a b", "//x", ""):
        yield get(f"/media/redirect?to={target.replace('#', '%23').replace(' ', '%20').replace('é', '%C3%A9')}")
    for value in RANGES:
        differs = "all-json" if value in REFUSED else None
        yield call("GET", "/media/file", headers={"range": value}, differs=differs)
    yield get("/head/headers")
    yield get("/head/cookies")
    for query in ("", "?made=true", "?made=x"):
        yield call("POST", f"/head/status{query}")
