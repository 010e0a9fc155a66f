"""A real web server for tests: nginx with its own configuration, in a directory of its own."""

import contextlib
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from feedback.model import Endpoint
from tests.checks import peers

CONFIG = """
daemon off;
worker_processes 1;
user {user};
pid nginx.pid;
error_log error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  {servers}
}}
"""

PLACES = """
  location / { return 200 "I'm alive\\n"; }
  location /moved { return 302 /; }
  location /broken { return 500 "it is not\\n"; }
  location /file/ { alias files/; }
  location /gone { return 444; }
  location /once { if ($connection_requests = 2) { return 444; } return 200; }
  location /first { if ($connection_requests = 1) { return 201; } return 202; }
  location /count { return 200 "$connection_requests"; }
  location /moved-here { absolute_redirect off; return 302 /count; }
  location /encoded { add_header Content-Encoding gzip; return 200 "I'm alive"; }
  location /host { return 200 "$host $request_method $http_x_check $ssl_server_name\\n"; }
"""


@contextlib.contextmanager
def nginx(directory: Path, servers: Mapping[str, str]) -> Iterator[dict[str, Endpoint]]:
    """Run nginx within the block: for each name, a server's settings, in which {listen} stands for where it listens.

    nginx is handed the listening sockets: so the ports are free, and connections are welcome from the start.
    """
    directory.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(peers.listener("::1" if "6" in name else "127.0.0.1")) for name in servers}
        endpoints = {name: peers.endpoint_of(listening) for name, listening in sockets.items()}
        settings = "".join(text.replace("{listen}", str(endpoints[name])) for name, text in servers.items())
        (directory / "nginx.conf").write_text(CONFIG.format(user=getpass.getuser(), servers=settings))
        for listening in sockets.values():
            listening.setblocking(False)  # nginx takes them as they are
        descriptors = [listening.fileno() for listening in sockets.values()]
        environment = {**os.environ, "NGINX": "".join(f"{number};" for number in descriptors)}
        words = [_program(), "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"]
        server = subprocess.Popen(words, env=environment, pass_fds=descriptors)
        try:
            yield endpoints
        finally:
            server.terminate()
            server.wait(10)


def _program() -> str:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise FileNotFoundError("there is no nginx here: apt-get install nginx-light")
    return found
