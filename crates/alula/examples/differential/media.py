"""Answers that are no JSON, and the head of an answer."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)

router = APIRouter(tags=["Media"])
WING = Path(__file__).parent / "wing.txt"


@router.get("/media/html", response_class=HTMLResponse)
def html():
    return "<h1>é</h1>"


@router.get("/media/text", response_class=PlainTextResponse)
def text():
    return "é\n"


@router.get("/media/redirect", response_class=RedirectResponse)
def redirect(to: str = "/"):
    return to


@router.get("/media/see-other", response_class=RedirectResponse, status_code=303)
def see_other():
    return "/media/text?a=é b"


@router.get("/media/file", response_class=FileResponse)
def file():
    return FileResponse(WING)


@router.get("/media/download", response_class=FileResponse)
def download():
    return FileResponse(WING, filename="é wing.txt")


@router.get("/media/stream", response_class=StreamingResponse)
def stream():
    return StreamingResponse(iter(["one ", "two"]), media_type="text/plain")


@router.get("/media/bytes", response_class=StreamingResponse)
def some_bytes():
    return StreamingResponse(iter([b"\x00\xff"]), media_type="audio/wav")


@router.get("/head/headers")
def headers(response: Response) -> int:
    response.headers["X-Left"] = "3"
    response.headers["cache-control"] = "no-store"
    return 1


@router.post("/head/status")
def status(response: Response, made: bool = False) -> int:
    if made:
        response.status_code = 201
    return 1


@router.get("/head/cookies")
def cookies(response: Response) -> int:
    response.set_cookie("plain", "a")
    response.set_cookie("quoted", 'a "b"; c')
    response.set_cookie(
        "full", "v", max_age=60, path="/x", domain="example.com", secure=True, httponly=True, samesite="strict"
    )
    return 1
