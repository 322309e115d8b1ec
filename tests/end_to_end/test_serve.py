"""`scripts/serve`: a sweep as it trains, on this machine alone, and no file of it."""

import dataclasses
import http.client
import threading

import pytest
from tiny import experiment, run

from gru_lab.programs import serve
from gru_lab.reports.live import live, mark
from gru_lab.training.callbacks import Callback, Listener

SERVE = vars(serve)


def test_the_page_shows_a_run_while_it_trains_and_then_what_it_reached(tmp_path):
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Watching(Callback):
        place = 95

        def listen(self, work):
            class Watches(Listener):
                def evaluated(self):
                    seen.append((mark(tmp_path / "s"), live(tmp_path / "s").write("html")))

            return Watches(work)

    run(experiment(), tmp_path / "s", [Watching()])
    marks, during = zip(*seen, strict=True)
    assert len(during) > 1 and len({*marks, mark(tmp_path / "s")}) == len(during) + 1, (
        "each evaluation is something new"
    )
    assert "Now training: rnn on adding" in during[-1] and "0 of 2 members done" in during[-1]
    after = live(tmp_path / "s").write("html")
    assert "2 of 2 members done" in after and "Now training" not in after and "Learning curves: adding" in after


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "s"
    run(experiment(), folder)
    server = SERVE["Server"](folder, 0)
    assert server.server_address[0] == "127.0.0.1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def asked(port, path, method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers={"Host": host or f"localhost:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_it_answers_for_the_page_and_its_mark_alone(port):
    status, page = asked(port, "/")
    now = asked(port, "/mark")[1]
    assert status == 200 and "2 of 2 members done" in page and f"const mark = {now!r}" in page
    for path in ("/../s", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/.plan", "/index.html", "http://elsewhere/"):
        assert asked(port, path)[0] == 404, path
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        assert asked(port, "/", method)[0] == 501, method
    assert asked(port, "/", host="elsewhere.example:80")[0] == 403, "a name that was made to mean this machine"


def test_a_mistake_is_one_sentence(tmp_path, port, capsys):
    assert SERVE["main"]([str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    run(experiment(), tmp_path / "s")
    assert SERVE["main"]([str(tmp_path / "s"), "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"port {port} cannot be served: Address already in use; give another --port\n"
