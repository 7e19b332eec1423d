"""Tables of outside systems that lookup_join() asks key by key: PostgresTable, and LookupCache for what is remembered of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from headrace.connectors import Connector, _choice, _count, _refuse, _text
from headrace.errors import JobValueError
from headrace.location import here

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class LookupCache:
    """What each subtask of a lookup join remembers of an outside table: the keys used last.

    keys: how many at most. ttl: how long what was found for a key is used (ms or timedelta; None: for ever). missing_ttl: how long it is
    known that a key has no row (the same as ttl; 0: it is asked for each time).
    """

    def __init__(
        self, keys: int = 100_000, *, ttl: int | timedelta | None = 60_000, missing_ttl: int | timedelta | None = None
    ) -> None:
        from headrace.windows import milliseconds

        self._options = {"cache_keys": _count("LookupCache", "keys", keys, 0)}
        ttl_ms = 0 if ttl is None else milliseconds("LookupCache: ttl", ttl, 1)
        missing_ms = (ttl_ms or 10**15) if missing_ttl is None else milliseconds("LookupCache: missing_ttl", missing_ttl, 0)
        self._options |= {"cache_ttl_ms": str(ttl_ms), "missing_ttl_ms": str(missing_ms)}

    def __repr__(self) -> str:
        return f"LookupCache({', '.join(f'{k}={v}' for k, v in self._options.items())})"


class PostgresTable(Connector):
    """A table of PostgreSQL for lookup_join(): asked for the keys of each batch in one statement, so that it may be large and may change.

    table: its name, or "schema.name". row_type: the columns to read, with their types (docs/reference/formats.md); lists, structs,
    durations and Any are not taken. query: a SELECT instead of a table. password_env: the environment variable of the TaskManagers that
    holds the password; a password given here travels in the job file. Without either, libpq's own ways (PGPASSWORD, ~/.pgpass) hold.
    connections: of each TaskManager, shared by all joins with this database. A role that may only read is enough, and so is a replica.

    Errors: JobTypeError or JobValueError for wrong arguments. Credentials are in no message and no repr.
    """

    def __init__(
        self,
        table: str | None = None,
        *,
        row_type: Any,
        host: str,
        database: str,
        user: str,
        port: int = 5432,
        password: str | None = None,
        password_env: str | None = None,
        sslmode: str = "prefer",
        query: str | None = None,
        connections: int = 2,
    ) -> None:
        from headrace.row_types import row_type as parse

        what = "PostgresTable"
        if (table is None) == (query is None):
            _refuse(what, "it takes the name of a table, or query=")
        if password is not None and password_env is not None:
            _refuse(what, "it takes password or password_env, not both")
        options = {
            "host": _text(what, "host", host),
            "database": _text(what, "database", database),
            "user": _text(what, "user", user),
        }
        options |= {"port": _count(what, "port", port, 1), "connections": _count(what, "connections", connections, 1)}
        options["sslmode"] = _choice(what, "sslmode", sslmode, _SSL_MODES)
        optional = {"table": table, "query": query, "password": password, "password_env": password_env}
        options |= {name: _text(what, name, value) for name, value in optional.items() if value is not None}
        super().__init__("postgres", options, table or "query")
        self.row_type = parse(what, row_type)

    def __repr__(self) -> str:
        at = f"{self.options['host']}:{self.options['port']}/{self.options['database']}"
        return f"PostgresTable({self.options.get('table') or self.options.get('query')!r}, at {at})"


class Asked(Connector):
    """A PostgresTable with how a lookup join asks it: what goes into the plan."""

    def __init__(self, table: PostgresTable, cache: Any, timeout: Any, retry_delay: Any, max_in_flight: Any) -> None:
        from headrace.windows import milliseconds

        what = "lookup_join"
        if isinstance(cache, bool) or not (cache is None or isinstance(cache, (int, LookupCache))):
            _refuse(what, f"cache takes a LookupCache, a number of keys or None, not {cache!r}", wrong_type=True)
        held = cache if isinstance(cache, LookupCache) else LookupCache(cache or 0)
        options = {"timeout_ms": str(milliseconds("lookup_join: timeout", timeout, 1))}
        options["retry_delay_ms"] = str(milliseconds("lookup_join: retry_delay", retry_delay, 1))
        options["max_in_flight"] = _count(what, "max_in_flight", max_in_flight, 1)
        if max_in_flight > 256:
            raise JobValueError(f"lookup_join ({here()}): max_in_flight is {max_in_flight}; it takes 1 to 256")
        super().__init__(table.kind, table.options | held._options | options, table.default_name)
        self.row_type = table.row_type
        self._table = table

    def __repr__(self) -> str:
        return repr(self._table)
