"""The queue of events that wait to be sent, in a file and in memory; other processes are real ones."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_learner.serve.outbox import MAX_REFUSED, Outbox, OutboxFull
from lambda_learner.serve.outbox_file import LOG_BYTES, OutboxError, Sync

ROOM = 10 << 20

APPENDING = """
import sys
from pathlib import Path
from lambda_learner.serve.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), max_bytes=1 << 30)
for number in range(int(sys.argv[3])):
    outbox.append(f"{sys.argv[2]} {number}".encode())
print(outbox.lead() if sys.argv[4] == "lead" else "done", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["file", "memory"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "queue" if request.param == "file" else None, max_bytes=ROOM)
    yield opened
    opened.close()


def process(path: Path, name: str, events: int, lead: str = "no") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APPENDING, str(path), name, str(events), lead]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def end(running: subprocess.Popen[str]) -> None:
    running.communicate(timeout=60)
    assert running.returncode == 0


def fill(outbox: Outbox, number: int, start: int = 0) -> None:
    for index in range(start, start + number):
        outbox.append(b"%d" % index)


def bodies(outbox: Outbox) -> list[bytes]:
    return [event.body for event in outbox.after(0, 1_000_000)]


def test_events_come_out_in_the_order_they_went_in(outbox: Outbox) -> None:
    fill(outbox, 5)
    first, second, third = outbox.after(0, 3)
    assert [first.body, second.body, third.body] == [b"0", b"1", b"2"]
    assert [event.body for event in outbox.after(third.id, 9)] == [b"3", b"4"]


def test_what_is_delivered_is_gone_and_the_rest_waits(outbox: Outbox) -> None:
    fill(outbox, 3)
    first, second, third = outbox.after(0, 9)
    outbox.settle([first.id, third.id], [], now_ms=0)
    outbox.settle([first.id], [], now_ms=0)
    assert outbox.after(0, 9) == [second]
    assert outbox.waiting() == 1
    assert (outbox.waits(first.id), outbox.waits(second.id)) == (False, True)


def test_a_new_event_never_has_the_id_of_an_old_one(outbox: Outbox) -> None:
    fill(outbox, 1)
    (old,) = outbox.after(0, 9)
    outbox.settle([old.id], [], now_ms=0)
    fill(outbox, 1)
    assert outbox.last_id() > old.id


def test_a_refused_event_is_set_aside_with_the_answer(outbox: Outbox) -> None:
    fill(outbox, 2)
    first, second = outbox.after(0, 9)
    for _ in range(2):
        outbox.settle([], [(first.id, 400, "bad")], now_ms=7)
    assert outbox.refused() == [(b"0", 400, "bad", 7)]
    assert outbox.after(0, 9) == [second]


def test_refused_events_can_wait_again(outbox: Outbox) -> None:
    fill(outbox, 2)
    first, second = outbox.after(0, 9)
    outbox.settle([], [(first.id, 403, "no"), (second.id, 403, "no")], now_ms=0)
    assert outbox.resend_refused() == 2
    assert (outbox.refused(), bodies(outbox)) == ([], [b"0", b"1"])
    assert outbox.resend_refused() == 0


def test_only_the_newest_refused_events_are_kept(outbox: Outbox) -> None:
    fill(outbox, MAX_REFUSED + 10)
    outbox.settle([], [(event.id, 400, "bad") for event in outbox.after(0, 10_000)], now_ms=0)
    kept = outbox.refused()
    assert len(kept) == MAX_REFUSED
    assert (kept[0].body, kept[-1].body) == (b"10", b"%d" % (MAX_REFUSED + 9))


def test_refused_events_take_a_fourth_of_the_room(outbox: Outbox) -> None:
    for _ in range(9):
        outbox.append(bytes(1_000_000))
    outbox.settle([], [(event.id, 400, "bad") for event in outbox.after(0, 10)], now_ms=0)
    assert len(outbox.refused()) == 2


def test_a_full_queue_takes_no_more_until_events_are_gone(outbox: Outbox) -> None:
    accepted = 0
    with pytest.raises(OutboxFull, match="max_queue_bytes"):
        for _ in range(12):
            outbox.append(bytes(1_000_000))
            accepted += 1
    assert accepted == 10
    outbox.settle([outbox.after(0, 1)[0].id], [], now_ms=0)
    outbox.append(bytes(900_000))


def test_the_next_start_finds_what_was_not_delivered(tmp_path: Path) -> None:
    before = Outbox(tmp_path / "queue", max_bytes=ROOM)
    fill(before, 3)
    first, second, _ = before.after(0, 9)
    before.settle([first.id], [(second.id, 400, "bad")], now_ms=1)
    before.close()
    after = Outbox(tmp_path / "queue", max_bytes=ROOM)
    assert (bodies(after), after.refused()) == ([b"2"], [(b"1", 400, "bad", 1)])
    after.close()


def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    running = process(tmp_path / "queue", "a", 500)
    assert line(running) == "done"
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    outbox = Outbox(tmp_path / "queue", max_bytes=ROOM)
    assert bodies(outbox) == [b"a %d" % number for number in range(500)]
    outbox.close()


def test_eight_processes_make_and_fill_one_file(tmp_path: Path) -> None:
    running = [process(tmp_path / "queue", str(number), 100) for number in range(8)]
    told = [line(each) for each in running]
    for each in running:
        end(each)
    assert told == ["done"] * 8
    outbox = Outbox(tmp_path / "queue", max_bytes=ROOM)
    assert sorted(bodies(outbox)) == sorted(b"%d %d" % (name, number) for name in range(8) for number in range(100))
    outbox.close()


def test_one_process_leads_until_it_is_killed(tmp_path: Path) -> None:
    leading = process(tmp_path / "queue", "a", 0, lead="lead")
    assert line(leading) == "True"
    outbox = Outbox(tmp_path / "queue", max_bytes=ROOM)
    assert not outbox.lead()
    leading.send_signal(signal.SIGKILL)
    leading.communicate(timeout=60)
    assert outbox.lead()
    assert outbox.lead()
    outbox.close()


def test_two_queues_of_one_process_have_one_leader(tmp_path: Path) -> None:
    first, second = Outbox(tmp_path / "queue", max_bytes=ROOM), Outbox(tmp_path / "queue", max_bytes=ROOM)
    assert (first.lead(), second.lead()) == (True, False)
    first.close()
    assert second.lead()
    second.close()


def test_a_checkpoint_loses_nothing_and_empties_the_log(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "queue", max_bytes=ROOM)
    fill(outbox, 100)
    outbox.checkpoint()
    fill(outbox, 1, start=100)  # the log begins anew
    assert len(bodies(outbox)) == 101
    assert (tmp_path / "queue").stat().st_size > 4096
    outbox.close()


@pytest.mark.parametrize(("sync", "level"), [("normal", 1), ("full", 2)])
def test_only_what_appends_waits_for_the_disk_and_only_on_request(tmp_path: Path, sync: Sync, level: int) -> None:
    outbox = Outbox(tmp_path / "queue", max_bytes=ROOM, sync=sync)
    levels = [
        connection.execute("PRAGMA synchronous").fetchone()[0] for connection in (outbox._appender, outbox._sender)
    ]
    assert levels == [level, 1]
    outbox.close()


def test_the_log_stays_short_though_appends_never_pause(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "queue", max_bytes=1 << 30)
    appending = threading.Thread(target=fill, args=(outbox, 12_000))
    appending.start()
    while appending.is_alive():
        outbox.checkpoint()
    assert len(bodies(outbox)) == 12_000
    assert (tmp_path / "queue-wal").stat().st_size < 3 * LOG_BYTES
    outbox.close()


def test_the_file_is_its_owners_only_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "queue"
    outbox = Outbox(path, max_bytes=ROOM)
    fill(outbox, 1)
    for file in (path, path.with_name("queue-wal")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    outbox.close()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    path.write_bytes(b"notes of mine " * 100)
    with pytest.raises(OutboxError, match=r"queue .*queue cannot be used .*not a database"):
        Outbox(path, max_bytes=ROOM)
    assert path.read_bytes() == b"notes of mine " * 100


def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(OutboxError, match="another program"):
        Outbox(path, max_bytes=ROOM)
    assert path.read_bytes() == before


def test_a_queue_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Outbox(tmp_path / "queue", max_bytes=ROOM).close()
    newer = sqlite3.connect(tmp_path / "queue")
    newer.execute("PRAGMA user_version = 2")
    newer.close()
    with pytest.raises(OutboxError, match="newer version"):
        Outbox(tmp_path / "queue", max_bytes=ROOM)


def test_a_folder_is_no_queue(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="name a file"):
        Outbox(tmp_path, max_bytes=ROOM)
