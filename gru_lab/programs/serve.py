"""Show a sweep in the browser while it trains."""

import argparse
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gru_lab.exits import called

ABOUT = """\
Shows a sweep while it trains: how far each run is, the curves of those at work, the tables and curves of those that
have finished. The page follows by itself; Ctrl-C ends it."""
RULES = """\
Only this machine can see it (127.0.0.1). From another one:  ssh -L 8000:127.0.0.1:8000 HOST
It reads the sweep's folder and changes nothing in it."""
HOME = "127.0.0.1"
NAMES = (HOME, "localhost", "[::1]")
FOLLOW = """<script>
(() => {
  const mark = %r;
  let touched = 0;
  for (const what of ["pointermove", "pointerdown", "keydown", "scroll"])
    addEventListener(what, () => { touched = Date.now(); }, { passive: true });
  setInterval(async () => {
    if (Date.now() - touched < 10000) return;  // somebody is reading
    try {
      const answer = await fetch("/mark", { cache: "no-store" });
      if (answer.ok && (await answer.text()) !== mark) location.reload();
    } catch { document.title = "not served any more"; }
  }, 3000);
})();
</script>
</body>"""


class Server(ThreadingHTTPServer):
    """Serves the page of one sweep, made anew when something in it has changed."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__((HOME, port), Handler)
        self.folder, self.made, self.lock = folder, ("", b""), threading.Lock()

    def page(self) -> bytes:
        """The page as HTML."""
        from gru_lab.reports.live import live, mark

        with self.lock:
            now = mark(self.folder)
            if self.made[0] != now:
                html = live(self.folder).write("html")
                self.made = now, (FOLLOW % now).join(html.rsplit("</body>", 1)).encode()
            return self.made[1]

    def mark(self) -> bytes:
        """The mark of what the sweep holds now."""
        from gru_lab.reports.live import mark

        return mark(self.folder).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers GET for the page and for its mark, and nothing else: no path leads to a file."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """The page, its mark, or 404."""
        from gru_lab.errors import UserError
        from gru_lab.reports.escape import plain

        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in NAMES:  # a page elsewhere whose name was made to mean this machine
            self.send_error(403)
            return
        answers = {"/": ("text/html", self.server.page), "/mark": ("text/plain", self.server.mark)}
        if self.path not in answers:
            self.send_error(404)
            return
        kind, answer = answers[self.path]
        try:
            content, status = answer(), 200
        except UserError as error:
            kind, content, status = "text/plain", plain(error).encode(), 503
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line."""


def main(argv: list[str] | None = None) -> int:
    """Serve until Ctrl-C; the exit status: 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(
        called("scripts/serve"), description=ABOUT, epilog=RULES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", metavar="SWEEP", type=Path, help="the folder of a sweep, such as runs/default")
    parser.add_argument("--port", type=int, default=8000, help="of this machine (default: 8000; 0: any that is free)")
    options = parser.parse_args(argv)
    if not 0 <= options.port < 1 << 16:
        parser.error(f"--port is {options.port}: it must be from 0 to 65535")

    from gru_lab.errors import UserError
    from gru_lab.reports.escape import plain
    from gru_lab.runs.sweep import states

    try:
        states(options.sweep)  # a mistake is told before anything is served
        try:
            server = Server(options.sweep, options.port)
        except OSError as error:
            raise UserError(f"port {options.port} cannot be served: {error.strerror}; give another --port") from None
    except UserError as error:
        print(plain(error), file=sys.stderr)
        return 2
    with server:
        print(f"{plain(options.sweep)} is at http://{HOME}:{server.server_port}/ until Ctrl-C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
