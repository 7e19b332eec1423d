"""Lookup joins with a real PostgreSQL: values of every type, many batches in flight, the server killed and back, clear refusals."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.job_files import JOBS
from harness.postgres import Database, PostgresServer
from harness.processes import BINARY, PYTHON

Row = dict[str, Any]
PASSWORD = "correct-horse-battery"


def start(folder: Path, database: Database, parameters: Row) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HEADRACE_", "POSTGRES_"))} | {
        "HEADRACE_DATA_DIR": str(folder / "data"),
        "PATH": f"{BINARY.parent}:{os.environ['PATH']}",
    }
    server = {"host": database.host, "port": database.port, "database": database.name, "user": "postgres", "sslmode": "disable"}
    given: Row = {"parallelism": 1, "cache": 1000, "join": {"on": "id"}} | parameters
    given["postgres"] = server | {"password": PASSWORD} | parameters.get("postgres", {})
    command = [str(PYTHON), str(JOBS / "lookup_embedded.py"), json.dumps(given)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(job: subprocess.Popen[str]) -> list[Row]:
    out, error = job.communicate(timeout=120)
    assert job.returncode == 0, error
    assert PASSWORD not in out + error
    return [json.loads(line) for line in out.splitlines()]


def failure(job: subprocess.Popen[str]) -> str:
    out, error = job.communicate(timeout=120)
    assert job.returncode != 0, out
    assert PASSWORD not in out + error
    return error


@pytest.fixture
def shop(postgres: PostgresServer) -> Database:
    database = postgres.database()
    database.query(
        """CREATE TABLE item (id int PRIMARY KEY, name varchar(40), price numeric(10,2), weight real, sold boolean, made date,
           at timestamptz, local timestamp, opens time, raw bytea, big numeric);
           INSERT INTO item VALUES
             (1, 'chair é', 19.90, 4.5, true, '2020-02-29', '2023-11-14 22:13:20.123456+00', '1999-12-31 23:59:59', '08:30', '\\x00ff', 18446744073709551615),
             (2, 'table', -1, 'NaN', false, '1969-12-31', '1969-12-31 23:59:59.999999+00', '2000-01-01', '00:00', '', 0),
             (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
           CREATE TABLE part (kind text, size int, name text); INSERT INTO part VALUES
             ('a', 1, 'a1'), ('a', 2, 'a2'), ('b', 1, 'b1'), ('a', 1, 'a1 again');"""
    )
    return database


TYPES = {
    "id": "int64", "name": "text | None", "price": "decimal(10, 2) | None", "weight": "float32 | None", "sold": "bool | None",
    "made": "date | None", "at": "timestamp[us] | None", "local": "naive timestamp[s] | None", "opens": "time | None",
    "raw": "bytes | None", "big": "uint64 | None",
}  # fmt: skip


@pytest.mark.parametrize("parallelism", [1, 4])
def test_values_of_every_type(shop: Database, folder: Path, parallelism: int) -> None:
    rows = [{"n": i, "key": i % 5 if i % 7 else None} for i in range(3000)]
    parameters = {"table": "public.item", "table_type": TYPES, "rows": rows, "row_type": {"n": "int", "key": "int32 | None"}}
    joined = finished(
        start(folder, shop, parameters | {"parallelism": parallelism, "join": {"on": {"key": "id"}, "how": "left"}})
    )
    assert sorted(row["n"] for row in joined) == list(range(3000))
    by_key = {row["key"]: {k: v for k, v in row.items() if k not in ("n", "key")} for row in joined}
    nothing = {name: None for name in TYPES if name != "id"}
    assert by_key[None] == by_key[0] == by_key[3] == by_key[4] == nothing
    first, second = by_key[1], by_key[2]
    assert (first["name"], first["price"], first["weight"], first["sold"], first["big"]) == (
        "chair é",
        "19.90",
        4.5,
        True,
        2**64 - 1,
    )
    assert (first["made"], first["opens"], first["raw"]) == ("2020-02-29", "08:30:00", repr(b"\x00\xff"))
    assert first["at"].startswith("2023-11-14 22:13:20.123456") and first["local"].startswith("1999-12-31 23:59:59")
    assert (second["price"], second["made"], second["sold"], second["raw"]) == ("-1.00", "1969-12-31", False, repr(b""))
    assert second["at"].startswith("1969-12-31 23:59:59.999999") and second["weight"] != second["weight"]


def test_rows_by_several_columns_and_by_a_query(shop: Database, folder: Path) -> None:
    rows = [{"kind": "a", "size": 1}, {"kind": "a", "size": 2}, {"kind": "b", "size": 2}, {"kind": "b\0", "size": 1}]
    join = {"on": ["kind", "size"], "how": "inner"}
    parameters = {"rows": rows, "row_type": {"kind": "text", "size": "int"}, "join": join}
    table_type = {"kind": "text", "size": "int16", "name": "text"}
    joined = finished(start(folder, shop, parameters | {"table": "part", "table_type": table_type}))
    assert sorted(row["name"] for row in joined) == ["a1", "a1 again", "a2"]
    query = {"query": "SELECT kind, size, upper(name) AS name FROM part WHERE name NOT LIKE '%again'"}
    joined = finished(start(folder, shop, parameters | {"table_type": table_type, "postgres": query}))
    assert [row["name"] for row in joined] == ["A1", "A2"]


@pytest.fixture
def own_postgres(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder / "postgres", own=True)
    server.start()
    yield server
    server.stop()


def test_postgres_killed_and_back(own_postgres: PostgresServer, folder: Path) -> None:
    database = own_postgres.database()
    database.query(
        "CREATE TABLE square (n bigint PRIMARY KEY, s bigint); INSERT INTO square SELECT n, n*n FROM generate_series(0, 5999) n"
    )
    parameters = {"count": 6000, "rows_per_second": 1500, "table": "square", "table_type": {"n": "int", "s": "int"}, "cache": 0}
    job = start(folder, database, parameters | {"join": {"on": "n", "timeout": 60_000, "max_in_flight": 8}})
    assert job.stdout is not None
    seen = [json.loads(next(job.stdout)) for _ in range(500)]
    own_postgres.kill()
    assert job.poll() is None
    own_postgres.start()
    rows = seen + [json.loads(line) for line in job.stdout]
    assert job.wait(60) == 0
    # Nothing lost, nothing twice, and in order although many batches were on their way.
    assert rows == [{"n": n, "s": n * n} for n in range(6000)]


def test_postgres_that_stays_away_fails_the_job_in_time(own_postgres: PostgresServer, folder: Path) -> None:
    database = own_postgres.database()
    own_postgres.kill()
    parameters = {"rows": [{"id": 1}], "row_type": {"id": "int"}, "table": "item", "table_type": {"id": "int", "name": "text"}}
    error = failure(start(folder, database, parameters | {"join": {"on": "id", "timeout": 1500}}))
    assert "HR1207" in error and 'table "item" of PostgreSQL' in error and "not found within 1500 ms" in error
    own_postgres.start()


def test_refusals_name_the_table(shop: Database, folder: Path) -> None:
    parameters = {"rows": [{"id": 1}, {"id": 3}], "row_type": {"id": "int"}, "table_type": {"id": "int", "name": "text"}}
    error = failure(start(folder, shop, parameters | {"table": "itemm"}))
    assert "HR1203" in error and 'table "itemm" of PostgreSQL' in error and "does not exist" in error
    error = failure(start(folder, shop, parameters | {"table": "item"}))
    assert "HR1206" in error and 'column "name": it has nulls' in error
    error = failure(start(folder, shop, parameters | {"table": "item", "table_type": {"id": "int", "big": "int"}}))
    assert "HR1203" in error and "out of range" in error
    error = failure(start(folder, shop, parameters | {"table": "item", "table_type": {"id": "int", "name": "duration[ms]"}}))
    assert "HR1101" in error and "cannot be looked up" in error
    error = failure(
        start(folder, shop, parameters | {"table": "item", "postgres": {"password": None, "password_env": "NO_SUCH_VARIABLE"}})
    )
    assert "HR1203" in error and "NO_SUCH_VARIABLE" in error
