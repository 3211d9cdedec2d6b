"""What endpoints answer: values of every kind, and statuses."""

from collections.abc import Iterator

from case import Case, call, get


def cases() -> Iterator[Case]:
    for path in "model models page floats integers text true null deprecated hidden".split():
        yield get(f"/answers/{path}")
    for path in ("created", "accepted"):
        yield call("POST", f"/answers/{path}")
    yield call("DELETE", "/answers/gone/1", differs="no-content")
    yield call("DELETE", "/answers/gone/x")
    yield call("HEAD", "/answers/head")
    yield call("OPTIONS", "/answers/options")
