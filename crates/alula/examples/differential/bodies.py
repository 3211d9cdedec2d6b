"""Request bodies in JSON."""

from datetime import date, datetime, time
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Union
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

router = APIRouter(tags=["Bodies"])


class Role(str, Enum):
    user = "user"
    system = "system"


class Message(BaseModel):
    role: Role
    content: str = Field(min_length=1, max_length=5)


class Text(BaseModel):
    type: Literal["text"]
    text: str


class Image(BaseModel):
    type: Literal["img"]
    url: str


class Chat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    model: str
    messages: list[Message] = Field(min_length=1, max_length=3)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(0.5, gt=0, lt=1)
    n: int = Field(2, multiple_of=2)
    tag: str | None = Field(None, pattern="^[a-z]+$")
    stream: bool = False
    id: UUID | None = None
    part: Annotated[Union[Text, Image], Field(discriminator="type")] | None = None
    meta: dict[str, int] = {}


@router.post("/bodies/chat")
def chat(body: Chat) -> Chat:
    return body


@router.post("/strict/chat")
def strict_chat(body: Chat) -> Chat:
    return body


class Checked(BaseModel):
    model: str
    tag: str | None = None
    n: int = 0
    messages: list[Message] = []

    @field_validator("model")
    @classmethod
    def known(cls, value):
        if value == "bad":
            raise ValueError("no such model")
        return value

    @model_validator(mode="after")
    def quiet(self):
        if self.tag == "boom":
            raise ValueError("tag may not be boom")
        return self


@router.post("/bodies/checked")
def checked(body: Checked) -> int:
    return 1


@router.post("/bodies/list")
def messages(body: list[Message]) -> list[Message]:
    return body


class Numbers(BaseModel):
    whole: int | None = None
    real: float | None = None
    flag: bool | None = None
    positive: Annotated[int, Field(gt=0)] | None = None
    percent: Annotated[float, Field(ge=0, le=100)] | None = None
    half: Annotated[float, Field(multiple_of=0.5)] | None = None


@router.post("/bodies/numbers")
def numbers(body: Numbers) -> Numbers:
    return body


class Texts(BaseModel):
    any: str | None = None
    short: Annotated[str, Field(max_length=5)] | None = None
    code: Annotated[str, Field(pattern=r"^[A-Z]{2,3}-[0-9]+$")] | None = None
    role: Role | None = None
    email: EmailStr | None = None
    url: AnyUrl | None = None
    id: UUID | None = None
    when: datetime | None = None
    day: date | None = None
    at: time | None = None
    ip: IPv4Address | None = None


@router.post("/bodies/texts")
def texts(body: Texts) -> int:
    return 1


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Shapes(BaseModel):
    pair: tuple[int, str] | None = None
    point: Annotated[list[float], Field(min_length=2, max_length=3)] | None = None
    labels: dict[str, int] | None = None
    codes: dict[str, list[int]] | None = None
    matrix: list[list[int]] | None = None
    tags: set[str] | None = None
    tree: Node | None = None


@router.post("/bodies/shapes")
def shapes(body: Shapes) -> int:
    return 1


class Unions(BaseModel):
    part: Annotated[Union[Text, Image], Field(discriminator="type")] | None = None
    parts: list[Annotated[Union[Text, Image], Field(discriminator="type")]] = []
    stop: str | list[str] | None = None


@router.post("/bodies/unions")
def unions(body: Unions) -> Unions:
    return body


class Account(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")
    first_name: str
    home_town: str | None = None
    max_tokens: int = 16


@router.post("/bodies/account", response_model_exclude_none=True)
def account(body: Account) -> Account:
    return body


@router.post("/bodies/any")
def anything(body: Annotated[Any, Body()]) -> Any:
    return body


class Item(BaseModel):
    name: str
    price: float = Field(ge=0)
    tags: list[str] = []


@router.put("/bodies/items/{item_id}")
def put_item(item_id: int, item: Item, q: str | None = None) -> dict[str, Any]:
    return {"item_id": item_id, "item": item, "q": q}


@router.patch("/bodies/items/{item_id}")
def patch_item(item_id: int, item: Item) -> Item:
    return item
