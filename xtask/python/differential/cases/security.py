"""Logins: Basic, OAuth 2.0 and its scopes."""

from base64 import b64encode
from collections.abc import Iterator

from case import Case, call


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


LOGINS = [
    None, basic("ada:pw"), basic("ada:p:w"), basic("ada:"), basic(":pw"), basic("ada"), basic("é:ü"), "basic YTpi", "Basic", "Basic ", "Basic !!!",
    "Basic YTpi=", "Bearer x", "",
]  # fmt: skip
UNLIKE = {basic("é:ü"): "basic", "Basic YTpi=": "basic-base64"}
TOKENS = [None, "Bearer reader", "Bearer writer", "Bearer other", "bearer reader", "Bearer", "Basic YTpi", "reader"]
CALLS = [("GET", "/oauth/any"), ("GET", "/oauth/read"), ("PUT", "/oauth/write/1"), ("PUT", "/oauth/write/x")]


def cases() -> Iterator[Case]:
    for login in LOGINS:
        headers = {} if login is None else {"authorization": login}
        for path in ("/login/basic", "/login/optional-basic"):
            differs = UNLIKE.get(login)
            yield call("GET", path, f"authorization {login!r}", headers, differs=differs)
    for token in TOKENS:
        headers = {} if token is None else {"authorization": token}
        differs = "empty-token" if token == "Bearer" else None
        for method, path in CALLS:
            yield call(method, path, f"authorization {token!r}", headers, differs=differs)
