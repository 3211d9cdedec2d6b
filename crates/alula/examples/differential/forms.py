"""Forms, files and raw bodies."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from bodies import Role

router = APIRouter(tags=["Forms"])


class Order(BaseModel):
    item: str = Field(min_length=2, max_length=8)
    count: int = Field(1, ge=1, le=9)
    price: float | None = None
    tags: list[int] = []
    role: Role = Role.user
    gift: bool = False


@router.post("/forms/order")
def order(order: Annotated[Order, Form()]) -> list:
    return [order.item, order.count, order.price, order.tags, order.role, order.gift]


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: str


@router.post("/forms/exact")
def exact(exact: Annotated[Exact, Form()]) -> str:
    return exact.a


def told(file: UploadFile | None):
    return file and [file.filename, file.content_type, file.size, file.file.read().decode("latin-1")]


class One(BaseModel):
    file: UploadFile


@router.post("/files/one")
def one(form: Annotated[One, Form()]) -> list:
    return told(form.file)


class Optional(BaseModel):
    file: UploadFile | None = None
    note: str | None = None


@router.post("/files/optional")
def optional(form: Annotated[Optional, Form()]) -> list:
    return [told(form.file), form.note]


class Many(BaseModel):
    files: list[UploadFile]
    title: str = Field(min_length=2)


@router.post("/files/many")
def many(form: Annotated[Many, Form()]) -> list:
    return [form.title, *(told(file) for file in form.files)]


@router.post("/raw/text", response_class=PlainTextResponse)
async def text(request: Request):
    return (await request.body()).decode()
