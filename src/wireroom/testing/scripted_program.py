"""The program behind `ScriptedAgent`: does what its script says, one step a line (or between semicolons).

Started by path with `python -I -S`, so it imports almost nothing: a soak starts it thousands of times. Its
output lines are those of the demo agent. A prompt whose first word is no step is answered with an echo.
Arguments: `--ledger FILE` to record starts and ends, `--script TEXT` to follow instead of the prompt, and
`--talk yes` to take the prompt as one line, its line ends as the character 31, with more to `hear` after it.

    say TEXT          one piece of answer text
    echo              the prompt as answer text
    stream N SECONDS  N pieces of text with a pause before each
    think TEXT        a piece of reasoning
    tool NAME         a tool call and its result
    session ID        the name of the session
    hear SECONDS      take a line `ID TEXT` from standard input, if one comes in time, and say what was heard
    raw TEXT          a line that is no event
    noise TEXT        a line on stderr
    pid               the process number as answer text
    sleep SECONDS     wait
    gate FILE         wait until the file exists, for a minute at most
    hang              wait for a minute
    stubborn          ignore SIGTERM from here on
    flood N           N lines of 64 bytes on stdout, and as many on stderr
    line N            one line of N bytes on stdout
    utf8 TEXT         a text event, written byte by byte
    partial TEXT      text without a line end
    close             close stdout
    orphan            leave a child behind that holds stdout and stderr for a minute
    daemon            leave a process behind that forked twice, in its own session, with nothing open
    late SECONDS      leave a child behind that says `late` after this time and ends
    leave NAME TEXT   a file for the person; TEXT may have escapes, as in Python
    link NAME TARGET  a link to a file in place of a file for the person
    fail TEXT         report a failure of the agent
    exit N            end with this exit code
    crash             end by SIGKILL
"""

import os
import sys
import time

_MINUTE = 60.0
_ESCAPES = {code: f"\\u{code:04x}" for code in range(32)} | {ord('"'): '\\"', ord("\\"): "\\\\"}


def main() -> None:
    """Read the prompt, follow the script, report the result."""
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    prompt = _read_line().replace("\x1f", "\n") if "--talk" in options else _read_all()
    _record(options, "start", prompt)
    said: list[str] = []
    steps = _steps(options.get("--script") or prompt)
    if not steps or steps[0][0] not in _STEPS:
        steps = [("echo", "")]
    for name, argument in steps:
        _STEPS[name](argument, prompt, said)
    _event("result", ok=True, text="".join(said))
    _record(options, "end", prompt)


def _steps(script: str) -> list[tuple[str, str]]:
    lines = [line.strip() for line in script.replace(";", "\n").split("\n")]
    return [(name, argument) for name, _, argument in (line.partition(" ") for line in lines if line)]


def _read_all() -> str:
    pieces = []
    while piece := os.read(0, 65536):
        pieces.append(piece)
    return b"".join(pieces).decode("utf-8", "replace")


def _read_line() -> str:
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode("utf-8", "replace").rstrip("\n")


def _record(options: dict[str, str], what: str, prompt: str) -> None:
    """Append one line in one write, so that lines of several processes never mix."""
    if "--ledger" in options:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        ledger = os.open(options["--ledger"], flags, 0o600)
        os.write(ledger, f"{what} {os.getpid()} {_quote(prompt)}\n".encode())
        os.close(ledger)


def _quote(text: str) -> str:
    return '"' + text.translate(_ESCAPES) + '"'


def _event(kind: str, **fields: object) -> None:
    values = {"event": kind, **fields}
    pairs = (f"{_quote(key)}:{_value(value)}" for key, value in values.items())
    _write(1, f"{{{','.join(pairs)}}}\n".encode())


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quote(str(value))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _say(argument: str, _prompt: str, said: list[str]) -> None:
    said.append(argument)
    _event("text", text=argument)


def _echo(_argument: str, prompt: str, said: list[str]) -> None:
    _say(prompt, prompt, said)


def _stream(argument: str, prompt: str, said: list[str]) -> None:
    count, pause = argument.split()
    for number in range(int(count)):
        time.sleep(float(pause))
        _say(f"{number} ", prompt, said)


def _think(argument: str, _prompt: str, _said: list[str]) -> None:
    _event("thought", text=argument)


def _tool(argument: str, _prompt: str, _said: list[str]) -> None:
    _event("tool_call", id="1", name=argument, summary=argument)
    _event("tool_result", id="1", ok=True, summary="done")


def _session(argument: str, _prompt: str, _said: list[str]) -> None:
    _event("session", session_id=argument)


def _hear(argument: str, prompt: str, said: list[str]) -> None:
    import select  # noqa: PLC0415 - as for `stubborn`

    if not select.select([0], [], [], float(argument))[0]:
        return
    number, _, text = _read_line().partition(" ")
    _event("heard", id=number)
    _say(text, prompt, said)


def _raw(argument: str, _prompt: str, _said: list[str]) -> None:
    _write(1, argument.encode() + b"\n")


def _noise(argument: str, _prompt: str, _said: list[str]) -> None:
    _write(2, argument.encode() + b"\n")


def _pid(_argument: str, prompt: str, said: list[str]) -> None:
    _say(str(os.getpid()), prompt, said)


def _sleep(argument: str, _prompt: str, _said: list[str]) -> None:
    time.sleep(float(argument))


def _gate(argument: str, _prompt: str, _said: list[str]) -> None:
    deadline = time.monotonic() + _MINUTE
    while not os.path.exists(argument) and time.monotonic() < deadline:  # noqa: PTH110 - pathlib is slow to import
        time.sleep(0.005)


def _hang(_argument: str, _prompt: str, _said: list[str]) -> None:
    time.sleep(_MINUTE)


def _stubborn(_argument: str, _prompt: str, _said: list[str]) -> None:
    import signal  # noqa: PLC0415 - one step of many needs it, and it costs as much as all the rest

    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _flood(argument: str, _prompt: str, _said: list[str]) -> None:
    block = (b"x" * 63 + b"\n") * 256
    lines = int(argument)
    for _ in range(lines // 256 + 1):
        _write(1, block[: 64 * min(lines, 256)])
        _write(2, block[: 64 * min(lines, 256)])
        lines -= min(lines, 256)


def _line(argument: str, _prompt: str, _said: list[str]) -> None:
    _write(1, b"y" * int(argument) + b"\n")


def _utf8(argument: str, _prompt: str, said: list[str]) -> None:
    said.append(argument)
    line = f'{{"event":"text","text":{_quote(argument)}}}\n'.encode()
    for index in range(len(line)):
        _write(1, line[index : index + 1])
        time.sleep(0.0005)


def _partial(argument: str, _prompt: str, _said: list[str]) -> None:
    _write(1, argument.encode())


def _close(_argument: str, _prompt: str, _said: list[str]) -> None:
    # The number stays taken, so that a later write cannot reach another file.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _orphan(_argument: str, _prompt: str, _said: list[str]) -> None:
    if os.fork() == 0:
        time.sleep(_MINUTE)
        os._exit(0)


def _daemon(_argument: str, _prompt: str, _said: list[str]) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        time.sleep(_MINUTE)
    os._exit(0)


def _late(argument: str, _prompt: str, _said: list[str]) -> None:
    if os.fork() == 0:
        time.sleep(float(argument))
        _event("text", text="late")
        os._exit(0)


def _leave(argument: str, _prompt: str, _said: list[str]) -> None:
    name, _, text = argument.partition(" ")
    content = text.encode().decode("unicode_escape").encode("latin-1")
    file = os.open(os.path.join(os.environ["OUTBOX"], name), os.O_WRONLY | os.O_CREAT, 0o600)  # noqa: PTH118 - as above
    os.write(file, content)
    os.close(file)


def _link(argument: str, _prompt: str, _said: list[str]) -> None:
    name, _, target = argument.partition(" ")
    os.symlink(target, os.path.join(os.environ["OUTBOX"], name))  # noqa: PTH118, PTH211 - as above


def _fail(argument: str, _prompt: str, said: list[str]) -> None:
    _event("result", ok=False, text="".join(said), error=argument)
    os._exit(1)


def _exit(argument: str, _prompt: str, _said: list[str]) -> None:
    os._exit(int(argument))


def _crash(_argument: str, _prompt: str, _said: list[str]) -> None:
    os.kill(os.getpid(), 9)


_STEPS = {
    "say": _say,
    "echo": _echo,
    "stream": _stream,
    "think": _think,
    "tool": _tool,
    "session": _session,
    "hear": _hear,
    "raw": _raw,
    "noise": _noise,
    "pid": _pid,
    "sleep": _sleep,
    "gate": _gate,
    "hang": _hang,
    "stubborn": _stubborn,
    "flood": _flood,
    "line": _line,
    "utf8": _utf8,
    "partial": _partial,
    "close": _close,
    "orphan": _orphan,
    "daemon": _daemon,
    "late": _late,
    "leave": _leave,
    "link": _link,
    "fail": _fail,
    "exit": _exit,
    "crash": _crash,
}

if __name__ == "__main__":
    main()
