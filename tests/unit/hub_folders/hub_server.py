"""A model hub on this machine: enough of its addresses and headers for huggingface_hub."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


def commit_of(number):
    return f"{number:040x}"


@dataclass
class Hub:
    """Folders by commit, and how the hub misbehaves.

    Attributes:
        commits: commit -> name of a file -> its bytes.
        refs: branch -> commit.
        sent: name -> bytes that come in place of the file, whose headers stay.
        status: of every answer about the folder, where it is not 200; with the hub's error code.
        asked: paths of all requests, with the token each came with.
        loop: whether files redirect to themselves.
        api: bytes in place of the API's answer.
    """

    commits: dict = field(default_factory=dict)
    refs: dict = field(default_factory=dict)
    sent: dict = field(default_factory=dict)
    status: tuple = ()
    asked: list = field(default_factory=list)
    loop: bool = False
    lfs: bool = True
    api: bytes | None = None
    address: str = ""

    def push(self, files, branch="main"):
        """A new commit of a branch."""
        commit = commit_of(len(self.commits) + 1)
        self.commits[commit] = dict(files)
        self.refs[branch] = commit
        return commit

    def is_lfs(self, name):
        return self.lfs and name.endswith(".safetensors")

    def told(self, commit):
        siblings = []
        for name, data in self.commits[commit].items():
            entry = {"rfilename": name, "size": len(data), "blobId": "0" * 40}
            if self.is_lfs(name):
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return {"id": "org/net", "modelId": "org/net", "sha": commit, "siblings": siblings}


def serve(hub):
    """Starts a server for a `Hub`; the caller shuts it down."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = urlsplit(self.path).path
            if "/org/" in path:  # huggingface_hub asks for a list of its own, once
                hub.asked.append((path, self.headers.get("Authorization")))
            if hub.status:
                code, error = hub.status
                return self.answer(code, b"{}", {"X-Error-Code": error} if error else {})
            parts = [unquote(part) for part in path.strip("/").split("/")]
            if parts[:3] == ["api", "models", "org"]:
                revision = "/".join(parts[5:]) or "main"
                commit = hub.refs.get(revision, revision)
                if parts[3] != "net":
                    return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                if commit not in hub.commits:
                    return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                told = json.dumps(hub.told(commit)).encode() if hub.api is None else hub.api
                return self.answer(200, told, {"Content-Type": "application/json"})
            if parts[:3] == ["org", "net", "resolve"]:
                return self.file(hub.refs.get(parts[3], parts[3]), "/".join(parts[4:]))
            return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def file(self, commit, name):
            if hub.loop:
                return self.answer(302, b"", {"Location": f"{hub.address}{self.path}"})
            data = hub.commits.get(commit, {}).get(name)
            if data is None:
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            digest = hashlib.sha256(data).hexdigest()
            etag = digest if hub.is_lfs(name) else hashlib.sha1(data).hexdigest()
            linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
            headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"'}
            return self.answer(
                200, hub.sent.get(name, data), headers | (linked if hub.is_lfs(name) else {})
            )

        def answer(self, code, body, headers=None):
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
