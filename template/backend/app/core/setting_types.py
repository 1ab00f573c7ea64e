"""Types of settings beyond Pydantic's: lists as people write them, origins, networks, URLs."""

import ipaddress
import json
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode
from sqlalchemy import URL, make_url

Item = TypeVar("Item")


def split_list(value: object) -> object:
    """Accept a list as JSON (`["a", "b"]`) or separated by commas (`a,b`)."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f'is not valid JSON ({error}); write ["a", "b"] or a,b') from None
    return [item.strip() for item in text.split(",") if item.strip()]


def check_origin(value: str) -> str:
    """Accept what a browser sends as `Origin`: scheme, host, port, and nothing after them."""
    text = value.rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
        raise ValueError(f"'{value}' is not an origin; write one like https://app.example.com")
    return text


def check_network(value: str) -> str:
    """Accept an address or a network, such as 10.0.0.7 or 10.0.0.0/8."""
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is no IP address or network ({error})") from None
    return value


SettingList = Annotated[list[Item], NoDecode, BeforeValidator(split_list)]
Origin = Annotated[str, AfterValidator(check_origin)]
Network = Annotated[str, AfterValidator(check_network)]


def asyncpg_url(text: str) -> URL:
    """Return a URL in libpq's form as one for asyncpg.

    libpq's `sslmode` is called `ssl` by asyncpg; the values are the same.
    """
    url = make_url(text.replace("postgres://", "postgresql://", 1))
    url = url.set(drivername="postgresql+asyncpg")
    if "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url
