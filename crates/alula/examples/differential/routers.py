"""Routers: prefixes, tags, precedence, methods."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query

users = APIRouter(prefix="/users", tags=["Users"])


@users.get("/me")
def me() -> str:
    return "me"


@users.get("/{name}")
def by_name(name: str) -> str:
    return f"user {name}"


@users.post("/{name}")
def add(name: str) -> str:
    return f"added {name}"


@users.delete("/{name}", status_code=204)
def remove(name: str) -> None:
    pass


@users.get("/{name}/items/{item}")
def item_of(name: str, item: int) -> list:
    return [name, item]


def admin(token: Annotated[str, Query()]):
    if token != "t":
        raise HTTPException(403, "no admin")


inner = APIRouter(prefix="/inner", tags=["Inner"])


@inner.get("")
def root_of_inner() -> str:
    return "inner"


@inner.get("/deep/{n}")
def deep(n: int) -> int:
    return n


outer = APIRouter(prefix="/outer", tags=["Outer"], dependencies=[Depends(admin)])


@outer.get("/own", tags=["Own"])
def own() -> str:
    return "own"


outer.include_router(inner, prefix="/mid")

router = APIRouter()
router.include_router(users, prefix="/v1")
router.include_router(outer)


@router.get("/")
def index() -> dict[str, str]:
    return {"message": "hello"}
