"""As much of a schema registry as readers need: GET /schemas/ids/{id}, with basic authentication."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SchemaRegistry:
    """Serves on a free port of loopback until stop(). schemas: by id, (type, text)."""

    def __init__(self, credentials: str) -> None:
        self.schemas: dict[int, tuple[str, str]] = {}
        self.asked: list[str] = []
        self._authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                if self.headers.get("Authorization") != registry._authorization:
                    return self._answer(401, {"error_code": 401})
                number = self.path.rpartition("/")[2]
                known = registry.schemas.get(int(number)) if self.path.startswith("/schemas/ids/") and number.isdigit() else None
                if known is None:
                    return self._answer(404, {"error_code": 40403, "message": "Schema not found"})
                kind, text = known
                self._answer(200, {"schema": text} | ({} if kind == "AVRO" else {"schemaType": kind}))

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
