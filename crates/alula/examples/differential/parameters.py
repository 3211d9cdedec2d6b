"""Paths, queries, headers and cookies."""

from enum import Enum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Cookie, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from bodies import Role

router = APIRouter(tags=["Parameters"])


class SortOrder(str, Enum):
    a = "a"
    b = "b"


@router.get("/query")
def query(
    skip: int,
    limit: Annotated[int, Query(le=100)] = 10,
    role: Role = Role.user,
    flag: bool = False,
    tags: Annotated[list[int], Query()] = [],
    name: Annotated[str | None, Query(min_length=3, max_length=8)] = None,
    code: Annotated[str | None, Query(pattern="^[a-z]+$")] = None,
    ratio: float = 1.5,
    id: UUID | None = None,
) -> list:
    return [skip, limit, role, flag, tags, name, code, ratio, id]


@router.get("/query/alias")
def alias(item: Annotated[str, Query(alias="item-query", min_length=2)]) -> str:
    return item


@router.get("/query/lists")
def lists(
    tags: Annotated[list[int], Query()],
    more: Annotated[list[str] | None, Query(min_length=2)] = None,
) -> list:
    return [tags, more]


class Filter(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: int = Field(10, gt=0)
    order: SortOrder = SortOrder.a


@router.get("/query/filter")
def filtered(filter: Annotated[Filter, Query()]) -> list:
    return [filter.limit, filter.order]


class Point(BaseModel):
    x: int
    y: int


@router.get("/query/model")
def point(point: Annotated[Point, Query()]) -> list:
    return [point.x, point.y]


@router.get("/path/int/{id}")
def path_int(id: int) -> int:
    return id


@router.get("/path/float/{ratio}")
def path_float(ratio: float) -> float:
    return ratio


@router.get("/path/bool/{flag}")
def path_bool(flag: bool) -> bool:
    return flag


@router.get("/path/text/{text}")
def path_text(text: str) -> str:
    return text


@router.get("/path/uuid/{id}")
def path_uuid(id: UUID) -> UUID:
    return id


@router.get("/path/role/{role}")
def path_role(role: Role) -> Role:
    return role


@router.get("/path/pair/{a}/{b}")
def path_pair(a: int, b: bool) -> list:
    return [a, b]


@router.get("/path/table/{room}/{table}")
def path_table(
    room: Annotated[str, Path(min_length=2)], table: Annotated[int, Path(ge=1, lt=1000)]
) -> list:
    return [room, table]


@router.get("/path/file/{path:path}")
def path_file(path: str) -> str:
    return path


@router.get("/header")
def header(
    x_token: Annotated[str, Header()],
    n: Annotated[int | None, Header()] = None,
    x_tags: Annotated[list[int], Header()] = [],
) -> list:
    return [x_token, n, x_tags]


@router.get("/header/agent")
def agent(user_agent: Annotated[str | None, Header()] = None) -> str | None:
    return user_agent


@router.get("/cookie")
def cookie(
    session: Annotated[str, Cookie(min_length=3)], n: Annotated[int, Cookie()] = 1
) -> list:
    return [session, n]


class Y(BaseModel):
    y: int


@router.post("/all/{p}")
def everything(
    p: int, q: int, b: Y, h: Annotated[int, Header()], c: Annotated[int, Cookie()]
) -> list:
    return [p, q, h, c, b.y]
