"""A schema registry over HTTPS: an authority of one's own, basic authentication, a client's certificate."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from headrace import FileSource, JobFailed, StreamExecutionEnvironment
from records import SchemaRegistry, behind_id, delimited, long

SCHEMA = json.dumps({"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]})


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def authority(folder: Path, name: str) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
    openssl(folder, "req", "-x509", *key, "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")


def certificate(folder: Path, name: str, by: str, alternative: str) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
    openssl(folder, "req", *key, "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (folder / "extensions").write_text(f"subjectAltName={alternative}\n")
    signing = ["-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions"]
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    authority(folder, "ca")
    authority(folder, "stranger")
    certificate(folder, "server", "ca", "IP:127.0.0.1")
    certificate(folder, "elsewhere", "ca", "DNS:registry.example.org")
    certificate(folder, "client", "ca", "DNS:client")
    return folder


@pytest.fixture
def start(keys: Path) -> Iterator[Any]:
    started: list[SchemaRegistry] = []

    def registry(server: str = "server", asks_client: bool = False) -> SchemaRegistry:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys / f"{server}.pem", keys / f"{server}.key")
        if asks_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(keys / "ca.pem")
        started.append(SchemaRegistry("reader:secret", context))
        started[-1].schemas = {7: ("AVRO", SCHEMA)}
        return started[-1]

    yield registry
    for registry_ in started:
        registry_.stop()


def read(folder: Path, registry: SchemaRegistry, **options: Any) -> list[Any]:
    (folder / "records").write_bytes(delimited(behind_id(7, long(1)), behind_id(7, long(2))))
    options = {"schema_registry": registry.url, "schema_registry_auth": "reader:secret"} | options
    env = StreamExecutionEnvironment("tls")
    return env.add_source(FileSource(folder / "records", "avro", row_type={"n": "int64"}, **options)).collect()


def test_an_authority_of_ones_own(tmp_path: Path, keys: Path, start: Any) -> None:
    assert read(tmp_path, start(), schema_registry_tls={"ca": keys / "ca.pem"}) == [{"n": 1}, {"n": 2}]


def test_a_client_with_a_certificate(tmp_path: Path, keys: Path, start: Any) -> None:
    tls = {"ca": (keys / "ca.pem").read_text(), "certificate": str(keys / "client.pem"), "key": keys / "client.key"}
    assert read(tmp_path, start(asks_client=True), schema_registry_tls=tls) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("server", "asks_client", "tls", "says"),
    [
        ("server", False, {}, "certificate verify failed"),
        ("server", False, {"ca": "stranger.pem"}, "certificate verify failed"),
        ("elsewhere", False, {"ca": "ca.pem"}, "certificate verify failed"),
        ("server", True, {"ca": "ca.pem"}, "certificate required"),
        ("server", False, {"ca": "ca.key"}, "the authorities' certificate cannot be used"),
        ("server", False, {"ca": "ca.pem", "certificate": "client.pem", "key": "server.key"}, "the client's key cannot be used"),
    ],
)
def test_what_is_not_trusted_fails_the_job(
    tmp_path: Path, keys: Path, start: Any, server: str, asks_client: bool, tls: dict[str, str], says: str
) -> None:
    with pytest.raises(JobFailed) as failed:
        read(tmp_path, start(server, asks_client), schema_registry_tls={name: keys / file for name, file in tls.items()})
    assert says in str(failed.value)
    assert "the schema registry" in str(failed.value)
    assert "HR1203" in str(failed.value)


def test_a_wrong_password_fails_the_job(tmp_path: Path, keys: Path, start: Any) -> None:
    with pytest.raises(JobFailed, match="answers 401"):
        read(tmp_path, start(), schema_registry_auth="reader:other", schema_registry_tls={"ca": keys / "ca.pem"})
