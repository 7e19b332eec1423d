"""Calls of an async function for many rows at a time: what map_async() puts into the plan and the workers run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from time import perf_counter_ns
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
        self._queue: deque[tuple[_Batch, int]] = deque()
        self._tasks: set[Any] = set()
        self._source: Any = None
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
        return self.__dict__ | {"_loop": None, "_queue": deque(), "_tasks": set(), "_source": None}

    def __call__(self, row: Any) -> Any:
        """One row alone."""
        return self.run(iter([row]), False)[0]

    def begin(self, rows: list[Any]) -> _Batch:
        """Queues calls for rows behind those of batches begun before; they go on while any batch is waited for."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        batch = _Batch(rows, self._loop)
        self._queue.extend((batch, place) for place in range(len(rows)))
        return batch

    def listen(self, fd: int, on_readable: Callable[[], bool], begin_more: Callable[[], None]) -> None:
        """While calls are waited for, begin_more() is called once, and on_readable() when there is something to read from fd; what they begin
        goes on. False: no more."""
        self._source = fd, on_readable, begin_more

    def run(self, rows: Any, by_completion: bool, batch: _Batch | None = None) -> Any:
        """The results of all rows, an iterator over a list; by_completion: (place, result) pairs in the order they came. A call that fails
        for good leaves the iterator behind its row and raises what the call raised. batch: what begin() gave for them."""
        if batch is None:
            batch = self.begin(list(_copied(rows)))
        loop, source = self._loop, self._source
        if source is not None:
            source[2]()
            loop.add_reader(source[0], self._read)
        try:
            loop.run_until_complete(self._wait(batch))
        finally:
            if source is not None:
                loop.remove_reader(source[0])
        if batch.failed:
            place, error = min(batch.failed, key=lambda one: one[0])
            for _ in islice(rows, place + 1):
                pass
            raise error
        for _ in rows:
            pass
        if by_completion:
            return batch.done
        results: list[Any] = [None] * len(batch.rows)
        for place, result in batch.done:
            results[place] = result
        return results

    def _read(self) -> None:
        fd, on_readable, _ = self._source
        if not on_readable():
            self._loop.remove_reader(fd)
        self.pump()

    async def _wait(self, batch: _Batch) -> None:
        """Until all calls of the batch are over, or one failed: then no call goes on."""
        self.pump()
        if batch.left:
            await batch.over
        if batch.failed:
            self._queue.clear()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def pump(self) -> None:
        """Begins as many queued calls as may go on at a time; inside of the loop."""
        while len(self._tasks) < min(self.max_in_flight, len(self._tasks) + len(self._queue)):
            task = self._loop.create_task(self._take())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self) -> None:
        queue = self._queue
        while queue:
            batch, place = queue.popleft()
            if batch.failed:
                continue
            try:
                batch.done.append((place, await self._call(batch.rows[place])))
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                batch.failed.append((place, error))
            batch.left -= 1
            if (batch.failed or not batch.left) and not batch.over.done():
                batch.over.set_result(None)

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


class _Batch:
    """Rows whose calls were queued together. left: calls that are not over; over: a future of the last one, or the first that failed."""

    __slots__ = ("begun_ns", "done", "failed", "left", "over", "rows")

    def __init__(self, rows: list[Any], loop: Any) -> None:
        self.rows, self.left = rows, len(rows)
        self.done: list[tuple[int, Any]] = []
        self.failed: list[tuple[int, BaseException]] = []
        self.over = loop.create_future()
        self.begun_ns = perf_counter_ns()


def _copied(rows: Any) -> Any:
    """Another iterator over what is left, which leaves the first where it is."""
    from copy import copy

    return copy(rows)
