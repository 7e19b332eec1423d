"""Calls of an async function for many rows at a time: what map_async() puts into the plan and the workers run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

MOST_IN_FLIGHT = 8192


class AsyncCalls:
    """An async function with how it is called. Its loop lives as long as the worker, so that clients kept by the function stay open."""

    def __init__(
        self, function: Callable[[Any], Awaitable[Any]], max_in_flight: int, timeout_ms: int, retries: int, retry_delay_ms: int,
        on_timeout: Callable[[Any], Any] | None,
    ) -> None:  # fmt: skip
        self.function, self.max_in_flight, self.timeout_ms = function, max_in_flight, timeout_ms
        self.retries, self.retry_delay_ms, self.on_timeout = retries, retry_delay_ms, on_timeout
        self._loop: Any = None
        for name in ("__name__", "__qualname__", "__module__", "__doc__", "__code__", "__wrapped__"):
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))

    @classmethod
    def of(cls, function: Any, max_in_flight: Any, timeout: Any, retries: Any, retry_delay: Any, on_timeout: Any) -> AsyncCalls:
        """Checks the arguments of map_async()."""
        import inspect

        from headrace.windows import milliseconds

        what = f"map_async ({here()})"
        called = function if inspect.isroutine(function) else getattr(function, "__call__", None)  # noqa: B004
        if not inspect.iscoroutinefunction(called):
            raise JobTypeError(f"{what}: it takes an async function (async def); map() is for plain ones")
        for name, value, least, most in (("max_in_flight", max_in_flight, 1, MOST_IN_FLIGHT), ("retries", retries, 0, 1000)):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise JobValueError(f"{what}: {name} is {value!r}; it takes an int from {least} to {most}")
        if on_timeout is not None and (not callable(on_timeout) or inspect.iscoroutinefunction(on_timeout)):
            raise JobTypeError(f"{what}: on_timeout takes a plain function of the row, not {type(on_timeout).__name__}")
        timeout_ms = milliseconds("map_async: timeout", timeout, 1)
        return cls(
            function, max_in_flight, timeout_ms, retries, milliseconds("map_async: retry_delay", retry_delay, 0), on_timeout
        )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loop": None}

    def __call__(self, row: Any) -> Any:
        """One row alone."""
        return self.run(iter([row]), False)[0]

    def run(self, rows: Any, by_completion: bool) -> Any:
        """The results of all rows, an iterator over a list; by_completion: (place, result) pairs in the order they came. A call that fails
        for good leaves the iterator behind its row and raises what the call raised."""
        items = list(_copied(rows))
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        done: list[tuple[int, Any]] = []
        failed: list[tuple[int, BaseException]] = []
        self._loop.run_until_complete(self._all(items, done, failed))
        if failed:
            place, error = min(failed, key=lambda one: one[0])
            for _ in islice(rows, place + 1):
                pass
            raise error
        for _ in rows:
            pass
        if by_completion:
            return done
        results: list[Any] = [None] * len(items)
        for place, result in done:
            results[place] = result
        return results

    async def _all(self, items: list[Any], done: list[tuple[int, Any]], failed: list[tuple[int, BaseException]]) -> None:
        places = iter(range(len(items)))

        async def take() -> None:
            for place in places:
                if failed:
                    return
                try:
                    done.append((place, await self._call(items[place])))
                except (Exception, SystemExit, KeyboardInterrupt) as error:
                    failed.append((place, error))
                    return

        tasks = [asyncio.ensure_future(take()) for _ in range(min(self.max_in_flight, len(items)))]
        try:
            await _until(tasks, failed)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self, row: Any) -> Any:
        pause_ms = self.retry_delay_ms
        for left in range(self.retries, -1, -1):
            try:
                return await asyncio.wait_for(self.function(row), self.timeout_ms / 1000)
            except Exception as error:
                if left > 0:
                    await asyncio.sleep(pause_ms / 1000)
                    pause_ms = min(pause_ms * 2, 10_000)
                    continue
                if not isinstance(error, (asyncio.TimeoutError, TimeoutError)):
                    raise
                if self.on_timeout is not None:
                    return self.on_timeout(row)
                tries = "" if self.retries == 0 else f" in any of {self.retries + 1} tries"
                raise TimeoutError(f"the call did not return within {self.timeout_ms} ms{tries}") from error


async def _until(tasks: list[Any], failed: list[Any]) -> None:
    """Until all tasks are over or one failed."""
    pending = set(tasks)
    while pending and not failed:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)


def _copied(rows: Any) -> Any:
    """Another iterator over what is left, which leaves the first where it is."""
    from copy import copy

    return copy(rows)
