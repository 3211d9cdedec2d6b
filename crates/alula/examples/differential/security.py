"""Logins: Basic, OAuth 2.0 and its scopes."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Security
from fastapi.security import (
    HTTPBasic,
    HTTPBasicCredentials,
    OAuth2PasswordBearer,
    SecurityScopes,
)

router = APIRouter(tags=["Security"])

BASIC = HTTPBasic()


@router.get("/login/basic")
def by_basic(login: Annotated[HTTPBasicCredentials, Depends(BASIC)]) -> list:
    return [login.username, login.password]


@router.get("/login/optional-basic")
def by_optional_basic(
    login: Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False))],
) -> str | None:
    return login and login.username


LOGIN = OAuth2PasswordBearer("/token", scopes={"read": "Read", "write": "Write"}, scheme_name="OAuth2")
GRANTED = {"reader": ["read"], "writer": ["read", "write"]}


def user(scopes: SecurityScopes, token: Annotated[str, Depends(LOGIN)]):
    if token not in GRANTED:
        raise HTTPException(401, "unknown token", {"WWW-Authenticate": "Bearer"})
    if not set(scopes.scopes) <= set(GRANTED[token]):
        raise HTTPException(403, "too few scopes")
    return token


@router.get("/oauth/any")
def by_token(user: Annotated[str, Depends(user)]) -> str:
    return user


@router.get("/oauth/read")
def by_reader(user: Annotated[str, Security(user, scopes=["read"])]) -> str:
    return user


@router.put("/oauth/write/{id}")
def by_writer(user: Annotated[str, Security(user, scopes=["write"])], id: int) -> str:
    return user
