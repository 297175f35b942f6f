"""A coding agent that proves by itself that it works alone; started as `cursor-agent` would be.

`python -I -S agent_program.py FOLDER`. It takes the lock of its run in FOLDER/locks, which the kernel gives
back whatever becomes of it, and notes in FOLDER/ledger what it did, one JSON object a line:

    {"what": "begin", "run": "…", "epoch": 2, "pid": 123, "at": 1700000000.0, "token": "…"}

`what` is `begin`, `end`, or `overlap` when another agent of the same run was alive. The answer is the last
token of the prompt, `tok-…`; `work 0.3` before it is how many seconds the work takes.
"""

import fcntl
import json
import os
import re
import sys
import time
from pathlib import Path


def main(folder: Path) -> None:
    """Work alone, and say the token."""
    prompt = sys.stdin.read()
    token = re.findall(r"tok-[\w-]+", prompt)[-1]
    work_seconds = float(re.findall(r"work ([\d.]+)", prompt)[-1])
    run, _, epoch = os.environ["WIREROOM_SCOPE"].rpartition(".")
    lock = os.open(folder / "locks" / run, os.O_CREAT | os.O_RDWR, 0o600)

    def note(what: str) -> None:
        facts = {"what": what, "run": run, "epoch": int(epoch), "pid": os.getpid(), "at": time.time()}
        line = json.dumps({**facts, "token": token}) + "\n"
        ledger = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(ledger, line.encode())
        os.close(ledger)

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("overlap")
    note("begin")
    _say({"type": "system", "subtype": "init", "session_id": f"session-{run}"})
    time.sleep(work_seconds)
    message = {"content": [{"type": "text", "text": token}]}
    _say({"type": "assistant", "message": message})
    note("end")
    _say({"type": "result", "subtype": "success", "is_error": False, "result": token})


def _say(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
