"""Limits on how often a user or an address may ask.

The counting is the library `limits`'s (sliding window counter). All counts of a request travel to
Redis in one round trip, together with what else the caller wants to know of Redis. While Redis is
away requests are served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from math import ceil
from time import time
from typing import Annotated, Any, Final, cast

from fastapi import Depends
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from pydantic import AfterValidator
from redis.asyncio import Redis
from starlette.requests import HTTPConnection

from app.core.context import get_client_address
from app.core.errors import RateLimitedError
from app.core.redis import REDIS, get_redis
from app.core.settings import EnvironmentSettings, load_settings


def _check_limit(value: str) -> str:
    try:
        parse(value)
    except ValueError:
        raise ValueError(f"'{value}' is not a limit; write one like 300/minute") from None
    return value


LimitText = Annotated[str, AfterValidator(_check_limit)]


class RateLimitSettings(EnvironmentSettings):
    """How many requests are served; each limit is a number per second, minute, hour or day."""

    rate_limit_enabled: bool = True
    rate_limit_user: LimitText = "300/minute"
    rate_limit_address: LimitText = "600/minute"
    rate_limit_auth_failures: LimitText = "20/minute"


SCRIPT: Final = """
local function count(KEYS, ARGV)
--COUNT--
end
local answers = {}
local hits = #ARGV / 2
for hit = 1, hits do
    local keys = {KEYS[2 * hit - 1], KEYS[2 * hit]}
    answers[hit] = count(keys, {ARGV[2 * hit - 1], ARGV[2 * hit], 1}) and 1 or 0
end
answers[hits + 1] = #KEYS > 2 * hits and redis.call('exists', unpack(KEYS, 2 * hits + 1)) or 0
return answers
"""
"""Counts each hit with the library's own script, which takes the place of `--COUNT--`, and looks
for keys. One script, because a command more costs half as much as a round trip."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A request that counts against a limit.

    `policy` names the limit to the client; `subject` is who is limited: a user or an address.
    """

    policy: str
    limit: RateLimitItem
    subject: str


class RateLimiter:
    """Counts requests in Redis."""

    def __init__(self, redis: Redis, settings: RateLimitSettings) -> None:
        self._enabled = settings.rate_limit_enabled
        self._limits: Final = {
            "user": parse(settings.rate_limit_user),
            "address": parse(settings.rate_limit_address),
            "auth-failures": parse(settings.rate_limit_auth_failures),
        }
        self._redis = redis
        pool: Any = redis.connection_pool
        # The address is not used: the pool has its own.
        storage = RedisStorage("redis://", implementation="redispy", connection_pool=pool)
        self._strategy = SlidingWindowCounterRateLimiter(storage)
        self._bridge = cast("RedispyBridge", storage.bridge)
        counting = self._bridge.SCRIPT_ACQUIRE_SLIDING_WINDOW.decode()
        self._script = redis.register_script(SCRIPT.replace("--COUNT--", counting))

    async def check(
        self,
        *,
        address: str | None,
        user: str | None = None,
        look_for: Sequence[str] = (),
    ) -> int | None:
        """Count a request.

        Args:
            address: where it comes from; None (a Unix socket) is not limited.
            user: who sends it, if that is known.
            look_for: keys of which Redis shall tell in the same round trip how many exist.

        Returns:
            How many of these keys exist, or None while Redis is away.

        Raises:
            RateLimitedError: too many requests.
        """
        return await self._count({"user": user, "address": _subject(address)}, look_for)

    async def count_failed_authentication(self, address: str | None) -> None:
        """Count a request whose token or login was not accepted.

        Only failures count and only failures are refused: people who share an address with somebody
        who guesses are served.

        Raises:
            RateLimitedError: too many failures; to be answered in place of the failure.
        """
        subject = _subject(address)
        await self._count({"auth-failures": subject, "address": subject}, ())

    async def _count(self, subjects: dict[str, str | None], look_for: Sequence[str]) -> int | None:
        hits = [
            Hit(policy, self._limits[policy], subject)
            for policy, subject in subjects.items()
            if self._enabled and subject is not None
        ]
        if not hits and not look_for:
            return 0
        keys: list[str] = []
        arguments: list[int] = []
        for hit in hits:
            # As `RedisStorage` names and passes them.
            key = self._bridge.prefixed_key(f"{{{hit.limit.key_for(hit.subject)}}}")
            keys += f"{key}/-1", key
            arguments += hit.limit.amount, hit.limit.get_expiry()
        answers: list[int] | None = await REDIS.ask(
            lambda: self._script([*keys, *look_for], arguments)
        )
        if answers is None:
            return None
        for hit, served in zip(hits, answers, strict=False):
            if not served:
                raise await self._refusal(hit)
        return answers[-1]

    async def _refusal(self, hit: Hit) -> RateLimitedError:
        """Return the problem, with the fields of draft-ietf-httpapi-ratelimit-headers-10."""
        window = hit.limit.get_expiry()
        stats = await REDIS.ask(lambda: self._strategy.get_window_stats(hit.limit, hit.subject))
        seconds = min(window, max(1, ceil(stats.reset_time - time()))) if stats else window
        return RateLimitedError(
            f"The limit of {hit.limit.amount} requests in {window} s is reached "
            f"({hit.policy}). Try again in {seconds} s.",
            headers={
                "Retry-After": str(seconds),
                "RateLimit-Policy": f'"{hit.policy}";q={hit.limit.amount};w={window}',
                "RateLimit": f'"{hit.policy}";r=0;t={seconds}',
            },
        )


def _subject(address: str | None) -> str | None:
    """Return whom an address stands for: with IPv6 the network of 64 bits that a customer has."""
    if address is None or ":" not in address:
        return address
    try:
        return str(IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


def get_rate_limiter(connection: HTTPConnection) -> RateLimiter:
    """Return the application's rate limiter, built when it is first asked for."""
    state = connection.app.state
    if not hasattr(state, "rate_limiter"):
        state.rate_limiter = RateLimiter(get_redis(connection), load_settings(RateLimitSettings))
    limiter: RateLimiter = state.rate_limiter
    return limiter


async def _get_rate_limiter(connection: HTTPConnection) -> RateLimiter:
    """As `get_rate_limiter`; FastAPI would run a function that is not async in another thread."""
    return get_rate_limiter(connection)


RateLimiterDep = Annotated[RateLimiter, Depends(_get_rate_limiter)]


async def _limit_address(limiter: RateLimiterDep) -> None:
    await limiter.check(address=get_client_address())


LIMIT_BY_ADDRESS: Final = Depends(_limit_address)
"""For routes that need no token, where nobody else counts requests."""
