"""A server that keeps to the REST contract until it is told to misbehave: for faults that no real tenond has."""
import hashlib
import http.server
import json
import re
import socket
import threading

BLOB = re.compile(r"/api/v1/blobs/sha256/([0-9a-f]{64})$")
RELEASE = re.compile(r"/api/v1/models/([^/]+)/releases/([^/]+)$")
ENGINE = re.compile(r"/api/v1/models/([^/]+)/releases/([^/]+)/engines/([0-9a-f]{64})$")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=None, headers=(), kind="application/json"):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status >= 400 and body and isinstance(body, dict):
            kind = "application/problem+json"
        if data:
            self.send_header("Content-Type", kind)
        if not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def drop(self):
        """Breaks the connection so that the client sees it at once."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()

    def any(self):
        rogue = self.server.rogue
        rogue.requests.append((self.command, self.path, dict(self.headers)))
        for fault in list(rogue.faults):
            if fault.wants(self):
                fault.left -= 1
                if fault.left == 0:
                    rogue.faults.remove(fault)
                return fault.do(self)
        if self.headers.get("Authorization") != f"Bearer {rogue.token}":
            return self.reply(401, {"title": "Unauthorized", "status": 401, "detail": "no such token"})
        return self.serve(rogue)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = any

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def serve(self, rogue):
        blob = BLOB.match(self.path)
        if self.path == "/api/v1/server":
            return self.reply(200, {"version": "rogue", "role": "admin"})
        if blob and self.command == "HEAD":
            return self.head(rogue, blob[1])
        if blob and self.command == "PUT":
            return self.take(rogue, blob[1])
        if blob:
            return self.give(rogue, blob[1])
        if self.command == "GET" and self.path.split("?")[0].endswith("/engines"):
            items = [{"digest": path[-64:], "record": record, "signatures": record.get("signatures", [])}
                     for path, record in rogue.put.items() if path.startswith(self.path.split("?")[0] + "/")]
            return self.reply(200, {"items": items, "next": None})
        if self.command == "GET" and self.path in rogue.put:
            return self.reply(200, rogue.put[self.path])
        if self.command == "GET" and self.path.startswith("/api/v1/releases?"):
            releases = [{"model": m[1], "version": m[2], "channels": rogue.channels.get(m[2], [])}
                        for m in map(RELEASE.match, rogue.put) if m and f"model={m[1]}" in self.path]
            return self.reply(200, {"items": releases, "next": None})
        if self.command == "PUT" and (RELEASE.match(self.path) or ENGINE.match(self.path)):
            there = self.path in rogue.put
            rogue.put[self.path] = json.loads(self.body())
            return self.reply(200 if there else 201, {})
        return self.reply(404, {"title": "Not Found", "status": 404, "detail": "no such thing", "code": "NOTFOUND"})

    def head(self, rogue, digest):
        if digest in rogue.blobs:
            return self.reply(200, headers=[("Content-Length", str(len(rogue.blobs[digest])))])
        return self.reply(404, headers=[("Upload-Offset", str(len(rogue.parts.get(digest, b""))))])

    def take(self, rogue, digest, cut=None):
        ranged = re.match(r"bytes (\d+)-(\d+)/(\d+)$", self.headers.get("Content-Range", ""))
        have = rogue.parts.get(digest, b"") if ranged else b""
        if ranged and int(ranged[1]) != len(have):
            return self.reply(409, {"title": "Conflict"}, [("Upload-Offset", str(len(have)))])
        length = int(self.headers["Content-Length"])
        rogue.received += length if cut is None else cut
        have += self.rfile.read(length if cut is None else cut)
        rogue.parts[digest] = have
        if cut is not None:
            return self.drop()
        del rogue.parts[digest]
        if hashlib.sha256(have).hexdigest() != digest:
            return self.reply(422, {"title": "Unprocessable", "status": 422, "code": "CORRUPT"})
        rogue.blobs[digest] = have
        return self.reply(201, {})

    def give(self, rogue, digest):
        data = rogue.blobs.get(digest)
        ranged = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if data is None:
            return self.reply(404, {"title": "Not Found", "status": 404, "detail": "no such blob", "code": "NOTFOUND"})
        if not ranged:
            return self.reply(200, data, kind="application/octet-stream")
        start = int(ranged[1])
        return self.reply(206, data[start:], [("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")],
                          kind="application/octet-stream")


class Fault:
    def __init__(self, method, path, do, times):
        self.method, self.path, self.do, self.left = method, re.compile(path), do, times

    def wants(self, handler):
        return handler.command == self.method and self.path.search(handler.path)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that was dropped


class Rogue:
    """In this process, on a port of its own; `fault()` makes the next matching requests go wrong."""
    token = "rogue-token-0123456789"

    def __init__(self):
        self.blobs, self.parts, self.put, self.requests, self.faults, self.received = {}, {}, {}, [], [], 0
        self.channels = {}
        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.rogue = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def fault(self, method, path, do, times=1):
        self.faults.append(Fault(method, path, do, times))

    def count(self, method, path):
        return sum(1 for m, p, _ in self.requests if m == method and re.search(path, p))

    def close(self):
        self.http.shutdown()
        self.http.server_close()
