"""Waiting until a part answers over HTTP."""

import asyncio
import time
from typing import Final

import httpx2

from dev.children import Child

PATIENCE: Final = 60.0
"""Seconds; a first start on a slow machine compiles and caches."""


async def until_ready(child: Child, url: str) -> None:
    """Wait until a GET is answered with a status below 400.

    Raises:
        DevError: the process ends before, or does not answer in time.
    """
    ended = asyncio.ensure_future(child.ended())
    deadline = time.monotonic() + PATIENCE
    last = "no answer"
    try:
        # trust_env: a proxy of the developer's must not be asked for an address of this machine.
        async with httpx2.AsyncClient(trust_env=False, timeout=2) as client:
            while time.monotonic() < deadline:
                if ended.done():
                    raise child.failure(ended.result())
                try:
                    response = await client.get(url)
                    if response.status_code < 400 and not ended.done():
                        return
                    last = f"status {response.status_code}: {response.text[:500]}"
                except httpx2.HTTPError as error:
                    last = str(error) or type(error).__name__
                await asyncio.sleep(0.1)
    finally:
        ended.cancel()
    raise child.error(f"did not answer at {url} within {PATIENCE:.0f} s ({last})")
