"""Watermark strategies: how far event time has come. They only describe: the engine settles the rest. Times are ms, or a timedelta."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here
from headrace.windows import milliseconds

if TYPE_CHECKING:
    from headrace.expressions import Expression
    from headrace.watermark_generator import WatermarkGenerator

_NONE, _BOUNDED, _MONOTONOUS, _PUNCTUATED, _CUSTOM = 0, 1, 2, 3, 4


class WatermarkStrategies:
    """How far the watermark stays behind the newest row. A watermark W says that no row with a time <= W follows: such rows are late.

    bounded_out_of_orderness(ms), monotonous(), punctuated(column), custom(generator), no_watermarks(); then .with_timestamp(…),
    .with_idleness(…), .with_alignment(…). Bounded and monotonous watermarks come once a batch, behind its last row: rows within the
    bound are never late, however the input is cut; whether a row that breaks the bound is late depends on the batches.
    """

    def __init__(self, strategy: int, bound_ms: int = 0) -> None:
        self._strategy, self._bound_ms = strategy, bound_ms
        self._timestamp: Expression | Callable[..., Any] | None = None
        self._watermark: Expression | None = None
        self._generator: WatermarkGenerator | None = None
        self._generator_columns: list[Expression] = []
        self._period_ms = 0
        self._idle_after_ms = 0
        self._group, self._max_drift_ms = "", 0

    @classmethod
    def bounded_out_of_orderness(cls, bound: int | timedelta) -> WatermarkStrategies:
        """Rows are at most `bound` older than the newest one of their split."""
        return cls(_BOUNDED, milliseconds("bounded_out_of_orderness", bound))

    @classmethod
    def monotonous(cls) -> WatermarkStrategies:
        """Rows of a split come in the order of their times."""
        return cls(_MONOTONOUS)

    @classmethod
    def punctuated(cls, watermark: str | Expression) -> WatermarkStrategies:
        """The rows bring the watermarks: a value of this column or expression (timestamp, or ms as an int) that is not null is a watermark
        that stands right behind its row. One that is not beyond the watermark before it says nothing."""
        from headrace.expressions import Expression, col

        if not isinstance(watermark, (str, Expression)):
            raise JobTypeError(f"punctuated ({here()}): it takes a column or an expression, not {type(watermark).__name__}")
        strategy = cls(_PUNCTUATED)
        strategy._watermark = col(watermark) if isinstance(watermark, str) else watermark
        return strategy

    @classmethod
    def custom(
        cls, generator: WatermarkGenerator, *, columns: Sequence[str | Expression] = (), period: int | timedelta = 200
    ) -> WatermarkStrategies:
        """An object of a class of one's own says the watermarks: WatermarkGenerator. It sees the times of each batch, by split, as a
        pyarrow array, and `columns` of the batch (columns or expressions, without Python functions) as arrays behind it; nothing is called
        once a row. period: how often its on_periodic() is called, if it has one, in ms of the clock."""
        from headrace.expressions import Expression, col
        from headrace.watermark_generator import WatermarkGenerator

        if isinstance(generator, type) or not isinstance(generator, WatermarkGenerator):
            what = f"the class {generator.__name__}" if isinstance(generator, type) else type(generator).__name__
            raise JobTypeError(
                f"custom ({here()}): it takes an object of a class that derives from WatermarkGenerator, not {what}"
            )
        if type(generator).on_batch is WatermarkGenerator.on_batch:
            raise JobTypeError(f"custom ({here()}): {type(generator).__name__} has no on_batch(self, timestamps)")
        if isinstance(columns, (str, Expression)) or not all(isinstance(column, (str, Expression)) for column in columns):
            raise JobTypeError(f"custom ({here()}): columns is a list of columns or expressions, as in columns=['sensor']")
        if len(columns) > 64:
            raise JobValueError(f"custom ({here()}): at most 64 columns, not {len(columns)}")
        strategy = cls(_CUSTOM)
        strategy._generator = generator
        strategy._generator_columns = [col(column) if isinstance(column, str) else column for column in columns]
        if type(generator).on_periodic is not WatermarkGenerator.on_periodic:
            strategy._period_ms = milliseconds("custom period", period, 1)
        return strategy

    @classmethod
    def no_watermarks(cls) -> WatermarkStrategies:
        """Event time never advances before the end of the input."""
        return cls(_NONE)

    def _copy(self) -> WatermarkStrategies:
        return copy.copy(self)

    def with_timestamp(self, timestamp: str | Expression | Callable[[Any], Any]) -> WatermarkStrategies:
        """Where a row's time stands: a column, an expression (timestamp, or ms as an int), or a function row -> ms or aware datetime.

        Without it the source's own: a Kafka record's timestamp.
        """
        from headrace.expressions import Expression, col

        if not isinstance(timestamp, (str, Expression)) and not callable(timestamp):
            raise JobTypeError(
                f"with_timestamp ({here()}): it takes a column, an expression or a function, not {type(timestamp).__name__}"
            )
        changed = self._copy()
        changed._timestamp = col(timestamp) if isinstance(timestamp, str) else timestamp
        return changed

    def with_idleness(self, after: int | timedelta) -> WatermarkStrategies:
        """A split without rows for so long holds the watermark back no more, until it has rows again."""
        changed = self._copy()
        changed._idle_after_ms = milliseconds("with_idleness", after, 1)
        return changed

    def with_alignment(self, group: str, max_drift: int | timedelta) -> WatermarkStrategies:
        """Splits and sources of one group that are more than max_drift ahead of the slowest one pause."""
        changed = self._copy()
        changed._group, changed._max_drift_ms = group, milliseconds("with_alignment", max_drift, 1)
        return changed

    def fill(self, message: Any) -> None:
        """Writes all but Python functions into a plan_pb2.EventTime."""
        message.strategy, message.bound_ms = self._strategy, self._bound_ms
        message.idle_after_ms, message.alignment_group, message.max_drift_ms = (
            self._idle_after_ms,
            self._group,
            self._max_drift_ms,
        )
        if self._timestamp is not None and hasattr(self._timestamp, "fill"):
            self._timestamp.fill(message.timestamp)
        if self._watermark is not None:
            self._watermark.fill(message.watermark)
        for column in self._generator_columns:
            column.fill(message.generator_columns.add())
        message.period_ms = self._period_ms
