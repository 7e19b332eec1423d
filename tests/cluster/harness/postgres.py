"""A real PostgreSQL server and one database for each cluster."""

from __future__ import annotations

import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from .processes import ROOT, run_tool

SCRIPT = ROOT / "tools/postgres_local.sh"


@dataclass(frozen=True)
class Database:
    host: str
    port: int
    name: str

    def environment(self) -> dict[str, str]:
        return {
            "POSTGRES_HOST": self.host,
            "POSTGRES_PORT": str(self.port),
            "POSTGRES_DB": self.name,
            "POSTGRES_USER": "postgres",
            "POSTGRES_SSLMODE": "disable",
        }

    def query(self, sql: str) -> str:
        done = subprocess.run(
            [
                "psql",
                "-h",
                self.host,
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "-d",
                self.name,
                "-At",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                sql,
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{sql}: {done.stderr.strip()}")
        return done.stdout.strip()


class PostgresServer:
    """Owned by a folder; the address stays over restarts. With HEADRACE_TEST_POSTGRES another server is used and never stopped."""

    def __init__(self, folder: Path, own: bool = False) -> None:
        self.folder = folder
        self._given = None if own else os.environ.get("HEADRACE_TEST_POSTGRES")
        self._address = self._given or ""

    def start(self) -> None:
        if not self._given:
            self._address = run_tool(SCRIPT, "start", self.folder)

    def stop(self) -> None:
        if not self._given:
            run_tool(SCRIPT, "stop", self.folder)

    def kill(self) -> None:
        assert not self._given, "the server of HEADRACE_TEST_POSTGRES is not ours to kill"
        run_tool(SCRIPT, "kill", self.folder)

    def database(self) -> Database:
        """A new, empty one."""
        host_port, _, maintenance = self._address.partition("/")
        host, _, port = host_port.rpartition(":")
        name = f"cluster_{uuid.uuid4().hex[:12]}"
        Database(host, int(port), maintenance).query(f"CREATE DATABASE {name}")
        return Database(host, int(port), name)
