"""What endpoints answer: values of every kind, and statuses."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["Answers"])


class Dish(BaseModel):
    name: str
    note: str | None = None
    price: float = 1.0
    parts: list[str] = []
    codes: dict[str, int] = {}


@router.get("/answers/model")
def model() -> Dish:
    return Dish(name="soup", codes={"b": 1, "a": 2})


@router.get("/answers/models")
def models() -> list[Dish]:
    return [Dish(name="soup"), Dish(name="<é\U0001f600\u2028\x7f\n\t\"\\/>", note="n")]


@router.get("/answers/page")
def page() -> dict[str, Any]:
    return {"items": [], "total": 0, "next": None}


NUMBERS = [0.0, -0.0, 1.0, 1.5, 0.1, 1e15, 1e16, 1e21, 1e22, 1e-4, 1e-5, 1e-7, 1e100, 123456789.125]


@router.get("/answers/floats")
def floats() -> list[float]:
    return NUMBERS


@router.get("/answers/integers")
def integers() -> list[int]:
    return [0, -1, 2**53, 2**63 - 1, -(2**63)]


@router.get("/answers/text")
def text() -> str:
    return "plain \u00e9 \x00 \x1f \u2029"


@router.get("/answers/true")
def true() -> bool:
    return True


@router.get("/answers/null")
def null() -> None:
    return None


@router.post("/answers/created", status_code=201)
def created() -> Dish:
    return Dish(name="new")


@router.post("/answers/accepted", status_code=202)
def accepted() -> dict[str, str]:
    return {"status": "accepted"}


@router.delete("/answers/gone/{id}", status_code=204)
def gone(id: int) -> None:
    pass


@router.get("/answers/deprecated", deprecated=True, summary="An old one")
def old() -> int:
    return 1


@router.get("/answers/hidden", include_in_schema=False)
def hidden() -> int:
    return 1


@router.head("/answers/head")
def head() -> int:
    return 1


@router.options("/answers/options")
def options() -> int:
    return 1
