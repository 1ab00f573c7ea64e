"""Runs a project's nginx template on this machine, filled in as its image does when it starts."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from support.tools import program

MAIN = """
daemon off;
pid nginx.pid;
error_log stderr warn;
events {{}}
http {{
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  include {server};
}}
"""
START_SECONDS = 60


@contextmanager
def serving(project: Path, folder: Path, port: int, api_prefix: str, backend: str) -> Iterator[str]:
    """Serve the project's built page until the block ends; yield its address.

    Three things of the image are replaced by the machine's: the port, the folder of the page, and that of included files.
    """
    values = {"API_PREFIX": api_prefix, "BACKEND_URL": backend, "NGINX_LOCAL_RESOLVERS": "127.0.0.1"}
    server = Template((project / "frontend/nginx/default.conf.template").read_text()).safe_substitute(values)
    for image, machine in {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/usr/share/nginx/html": f'"{project}/frontend/dist"',
        "/tmp/server/": "server/",  # noqa: S108
    }.items():
        assert image in server
        server = server.replace(image, machine)
    (folder / "server.conf").write_text(server)
    (folder / "nginx.conf").write_text(MAIN.format(server=folder / "server.conf"))
    command = [program("nginx", "nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"{address}/healthz"):
            assert process.poll() is None, "nginx ended; its errors are above"
            assert time.monotonic() < deadline, "nginx does not answer"
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as response:  # noqa: S310 - our own server
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False
