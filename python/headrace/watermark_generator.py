"""Watermarks of one's own: a class that sees the times of each batch and says how far event time has come.

class Bursts(WatermarkGenerator):
    newest = 0

    def on_batch(self, timestamps):
        before, newest = self.newest, pc.max(timestamps).as_py()
        self.newest = max(before, newest)
        return before if newest - before > 60_000 else None

rows.with_watermarks(WatermarkStrategies.custom(Bursts()).with_timestamp("at"))
"""

from __future__ import annotations

from typing import Any


class WatermarkGenerator:
    """Says the watermark of one split. Every split of every subtask has a copy of its own, made before the split's first call: what it
    sets on itself is the split's. It is not saved: after a restart copies begin anew.

    A watermark is ms since 1970 as an int: no row of the split with a time at or before it follows. None, or one that is not beyond the
    one before, says nothing. What is no int, or is more than 366 days ahead of the split's newest time and of the clock, fails the job,
    as does what is raised.
    """

    def on_batch(self, timestamps: Any, *columns: Any) -> int | None:
        """Called once for each batch that has rows of the split; the watermark stands behind the batch's last row.

        timestamps: a pyarrow int64 array of the rows' event times in ms, none of them null, never empty. columns: pyarrow arrays as long, those
        that custom(columns=…) names, in that order. A batch is what has come together: nothing may depend on how long it is.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no on_batch()")

    def on_periodic(self, now: int) -> int | None:
        """Called between batches every custom(period=…), if the class has it, also before the split's first row; not while the split is idle or
        once it has ended. now: ms since 1970 by the clock of the machine."""
        return None
