"""As much of a schema registry as readers and writers need, with basic authentication and, on request, TLS."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Schema = tuple[str, str]


class SchemaRegistry:
    """Serves on a free port of loopback until stop(). schemas: by id, (type, text); subjects: ids of their versions, oldest first.
    asked: "METHOD path" of POSTs, paths of GETs. A schema whose text has `refused` in it is incompatible."""

    def __init__(self, credentials: str, tls: ssl.SSLContext | None = None) -> None:
        self.schemas: dict[int, Schema] = {}
        self.subjects: dict[str, list[int]] = {}
        self.refused = "\0"
        self.asked: list[str] = []
        self._authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        self._lock = threading.Lock()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                self._answer(*registry._get(self.path) if self._allowed() else (401, {"error_code": 401}))

            def do_POST(self) -> None:
                registry.asked.append(f"POST {self.path}")
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with registry._lock:
                    self._answer(*registry._post(self.path, body) if self._allowed() else (401, {"error_code": 401}))

            def _allowed(self) -> bool:
                return self.headers.get("Authorization") == registry._authorization

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:  # clients that do not trust the certificate
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            # Handshakes belong to the connections' own threads.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        parts = path.strip("/").split("/")
        if path.startswith("/schemas/ids/") and parts[-1].isdigit():
            number = int(parts[-1])
        elif parts[0] == "subjects" and parts[2:] == ["versions", "latest"] and unquote(parts[1]) in self.subjects:
            number = self.subjects[unquote(parts[1])][-1]
        else:
            return 404, {"error_code": 40401, "message": "Subject not found"}
        if number not in self.schemas:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        kind, text = self.schemas[number]
        return 200, {"schema": text, "id": number} | ({} if kind == "AVRO" else {"schemaType": kind})

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        parts = path.strip("/").split("/")
        subject, registers = unquote(parts[1]), parts[2:] == ["versions"]
        schema = (body.get("schemaType", "AVRO"), body["schema"])
        known = next((n for n in self.subjects.get(subject, []) if self.schemas[n] == schema), None)
        if known is None and not registers:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        if known is None and self.refused in schema[1]:
            return 409, {
                "error_code": 409,
                "message": f'Schema being registered is incompatible with an earlier one of "{subject}"',
            }
        if known is None:
            known = next((n for n, s in self.schemas.items() if s == schema), max(self.schemas, default=0) + 1)
            self.schemas[known] = schema
            self.subjects.setdefault(subject, []).append(known)
        return 200, {"id": known}

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
