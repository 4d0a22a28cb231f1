"""Just enough of S3 and Kafka: a bucket that keeps bytes, and a port that accepts."""

from __future__ import annotations

import http.server
import socketserver
import threading
from typing import Any, Dict, Optional

NAME = "horae"


class _Objects(http.server.BaseHTTPRequestHandler):
    server: Bucket

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._bucket_exists():
            self.server.objects[self.path] = body
            self._answer(200)

    def do_GET(self) -> None:
        if self._bucket_exists():
            found: Optional[bytes] = self.server.objects.get(self.path)
            self._answer(404 if found is None else 200, found or b"")

    def _bucket_exists(self) -> bool:
        if not self.server.exists:
            self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        return self.server.exists

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class Bucket(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Objects)
        self.objects: Dict[str, bytes] = {}
        self.exists = True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def settings(self) -> Dict[str, Any]:
        """[analytic.storage.object_store]."""
        endpoint = "http://127.0.0.1:%d" % self.server_address[1]
        return {
            "type": "S3",
            "region": "us-east-1",
            "key_id": "id",
            "key_secret": "s3cret",
            "endpoint": endpoint,
            "bucket": NAME,
            "prefix": "c",
        }

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Broker(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.address = "127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
