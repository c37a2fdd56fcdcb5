"""A sandbox that a killed bridge left behind is waited for until its doors are shut, however it goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from bcbridge import config
from bcbridge.house import sandbox_process
from tests.e2e.world import free_ports, until

LEFT_BEHIND = """
import json, os, signal, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

leaving = False

class Door(BaseHTTPRequestHandler):
    def do_GET(self):
        if leaving:
            return self.connection.close()
        body = json.dumps({"sandbox": "bluecherry", "folder": sys.argv[2], "pid": os.getpid()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

def leave(*_):
    global leaving
    leaving = True
    threading.Timer(0.7, os._exit, (0,)).start()

signal.signal(signal.SIGTERM, leave)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
"""
CONFIG = """
[sandbox]
folder = "sandbox"
[connections.bluecherry]
kind = "bluecherry"
base_url = "http://127.0.0.1:{port}/SNDBX"
subscription_key = "env:KEY"
erp_timezone = "America/New_York"
"""


def test_one_that_hangs_up_on_its_way_out_is_waited_for(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port))
    settings = config.load(tmp_path / "config.toml")
    settings.sandbox.folder.mkdir()
    command = [sys.executable, "-c", LEFT_BEHIND, str(port), str(settings.sandbox.folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), 30, "it answers")
        (settings.sandbox.folder / "beside.pid").write_text(str(process.pid))
        assert sandbox_process._end_orphan(settings, list(settings.connections.values()))
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait(10)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).is_success
    except httpx.HTTPError:
        return False
