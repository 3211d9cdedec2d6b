"""Errors: raised, unhandled, and with handlers of their own."""

from typing import Any

from fastapi import APIRouter, HTTPException

from fastapi.responses import JSONResponse

from bodies import Item

router = APIRouter(tags=["Errors"])


@router.get("/errors/status/{status}")
def by_status(status: int) -> int:
    raise HTTPException(status, f"this is {status}")


DETAILS: dict[str, Any] = {
    "object": {"code": "no_money", "missing": 3},
    "list": ["a", 1, None],
    "number": 7,
    "text": "é \U0001f600 \u2028 < >",
}


@router.get("/errors/detail/{kind}")
def by_detail(kind: str) -> int:
    raise HTTPException(400, DETAILS[kind])


@router.get("/errors/headers")
def with_headers() -> int:
    raise HTTPException(429, "slow down", {"Retry-After": "7", "X-Left": "0"})


@router.get("/errors/login")
def login() -> int:
    raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": 'Bearer realm="a"'})


@router.get("/errors/unhandled")
def unhandled() -> int:
    return int("x")


@router.post("/errors/body/{id}")
def body(id: int, item: Item) -> Item:
    if id == 0:
        raise HTTPException(404, "no such item")
    return item


class Insolvency(Exception):
    def __init__(self, missing: int):
        self.missing = missing


@router.get("/errors/own/{missing}")
def own(missing: int) -> int:
    raise Insolvency(missing)


def add_handlers(app):
    """What only an application can have."""

    @app.exception_handler(Insolvency)
    def insolvency(request, error):
        return JSONResponse({"missing": error.missing}, 402, {"x-pay": "now"})
