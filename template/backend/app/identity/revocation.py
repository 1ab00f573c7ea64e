"""Tokens that are refused before they expire, because their owner has logged out.

Redis holds a key for each revoked token (`jti`) and each ended session (`sid`, which covers every
token of a login) for as long as tokens that it concerns may be valid.
"""

import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from app.core.errors import UnavailableError
from app.core.outages import REDIS
from app.identity.tokens import AccessToken


def ask_if_revoked(pipeline: Pipeline, token: AccessToken) -> None:
    """Ask Redis, in a round trip of the caller's, how many revocations concern a token."""
    pipeline.exists(*_keys(token))


async def revoke(redis: Redis, token: AccessToken, *, leeway: float) -> None:
    """Refuse a token and every other one of its session from now on.

    Args:
        redis: where it is written down.
        token: whose owner logs out.
        leeway: seconds for which a token is accepted after its end.

    Raises:
        UnavailableError: Redis does not answer, so that the token stays valid until it expires.
    """
    # A token that is being issued at this moment has as long a life before it as this one had at
    # first.
    lifetime = token.expires_at - token.issued_at
    seconds = max(1, int(max(lifetime, token.expires_at - time.time()) + leeway) + 1)

    async def write() -> list[Any]:
        async with redis.pipeline(transaction=False) as pipeline:
            for key in _keys(token):
                pipeline.set(key, "1", ex=seconds)
            return await pipeline.execute()

    if await REDIS.ask(write) is None:
        raise UnavailableError(
            "The logout could not be recorded: the access token stays valid until it expires. "
            "Try again shortly.",
            headers={"Retry-After": "5"},
        )


def _keys(token: AccessToken) -> list[str]:
    keys = [f"revoked:jti:{token.token_id}"]
    if token.session_id is not None:
        keys.append(f"revoked:sid:{token.session_id}")
    return keys
