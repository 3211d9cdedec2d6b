"""Dependencies: what they give, their order, and credentials."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException
from fastapi.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBearer,
)

from bodies import Item
from events import note

router = APIRouter(tags=["Dependencies"])


def page(q: str | None = None, skip: int = 0, limit: int = 100):
    return {"q": q, "skip": skip, "limit": limit}


@router.get("/dependencies/page")
def read_page(page: Annotated[dict, Depends(page)]) -> dict:
    return page


def trace(x_trace: Annotated[int, Header()]):
    return x_trace


@router.get("/dependencies/siblings/{id}")
def siblings(
    id: int,
    own: int,
    page: Annotated[dict, Depends(page)],
    trace: Annotated[int, Depends(trace)],
) -> list:
    return [id, own, page, trace]


def leaf():
    note("leaf")
    return object()


def branch(leaf: Annotated[object, Depends(leaf)]):
    note("branch in")
    try:
        yield leaf
    finally:
        note("branch out")


def other(leaf: Annotated[object, Depends(leaf)], branch: Annotated[object, Depends(branch)]):
    note("other in")
    try:
        yield leaf is branch
    finally:
        note("other out")


@router.get("/dependencies/tree")
def tree(other: Annotated[bool, Depends(other)]) -> bool:
    note("handler")
    return other


@router.get("/dependencies/tree/error")
def tree_error(other: Annotated[bool, Depends(other)]) -> bool:
    note("handler")
    raise HTTPException(409, "no")


def refuse(x_refuse: Annotated[str | None, Header()] = None):
    if x_refuse:
        raise HTTPException(403, "refused", {"x-reason": x_refuse})


@router.get("/dependencies/guard", dependencies=[Depends(refuse)])
def guarded(n: int) -> int:
    return n


API_KEY = APIKeyHeader(name="x-api-key", scheme_name="APIKeyHeader")


def user(key: Annotated[str, Depends(API_KEY)]):
    if key != "secret":
        raise HTTPException(403, "unknown key")
    return "ada"


@router.get("/security/header")
def by_header(user: Annotated[str, Depends(user)]) -> str:
    return user


@router.post("/security/body")
def key_and_body(user: Annotated[str, Depends(user)], item: Item) -> str:
    return user


@router.get("/security/key")
def by_key(key: Annotated[str, Depends(API_KEY)]) -> str:
    return key


@router.get("/security/query")
def by_query(key: Annotated[str, Depends(APIKeyQuery(name="key"))]) -> str:
    return key


@router.get("/security/cookie")
def by_cookie(key: Annotated[str, Depends(APIKeyCookie(name="key"))]) -> str:
    return key


@router.get("/security/optional-key")
def by_optional_key(
    key: Annotated[
        str | None,
        Depends(APIKeyHeader(name="x-api-key", scheme_name="APIKeyHeader", auto_error=False)),
    ],
) -> str | None:
    return key


BEARER = HTTPBearer()


@router.get("/security/bearer")
def by_bearer(token: Annotated[HTTPAuthorizationCredentials, Depends(BEARER)]) -> str:
    return token.credentials


@router.get("/security/optional-bearer")
def by_optional_bearer(
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> str | None:
    return token.credentials if token else None


@router.get("/security/both")
def by_both(
    token: Annotated[HTTPAuthorizationCredentials, Depends(BEARER)],
    key: Annotated[str, Depends(API_KEY)],
    n: int,
) -> list:
    return [token.credentials, key, n]
