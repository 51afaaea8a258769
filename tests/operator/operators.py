"""Operators of tests, each with a client of Redis of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis


@asynccontextmanager
async def start_operators(make: Callable[..., Any], url: str) -> AsyncIterator[Callable[..., Any]]:
    """Yield a function that starts an operator over a cluster; all of them end together."""
    clients, operators = [], []

    def start(cluster: Any, **settings: Any) -> Any:
        clients.append(Redis.from_url(url))
        operators.append(make(cluster, clients[-1], **settings))
        return operators[-1]

    yield start
    for operator in operators:
        await operator.reconciler.workers.close()
    for client in clients:
        await client.aclose()
