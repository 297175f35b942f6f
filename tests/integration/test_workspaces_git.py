"""Git commands on real repositories: what they do, what they refuse, and that people's work is left alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.testing.eventually import eventually
from wireroom.testing.leaks import LeakCheck
from wireroom.workspaces.git import Git, GitFailed
from wireroom.workspaces.repositories import Repositories
from workspace_repositories import ENVIRONMENT, clone, commit, git, make_remote

MINUTE = timedelta(minutes=1)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return a bare repository."""
    return make_remote(tmp_path / "elsewhere")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of the repositories, which is not there yet."""
    return (tmp_path / "repositories").resolve()


@pytest.fixture
def ours(root: Path) -> Repositories:
    """Return the repositories with the file transport allowed."""
    return Repositories(root, Git(ENVIRONMENT, MINUTE))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Return a function that puts a shell script in git's place and gives the environment for it."""

    def install(script: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "git").chmod(0o755)
        return ENVIRONMENT | {"PATH": f"{folder}:{os.environ['PATH']}"}

    return install


def names(folder: Path) -> list[str]:
    """Return what is in the folder."""
    return sorted(entry.name for entry in folder.iterdir())


def runs(pid: str) -> bool:
    """True for a process that runs; a zombie has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def make_link(link: Path, target: Path) -> None:
    """Make both folders and a link from one into the other."""
    link.parent.mkdir()
    target.mkdir()
    link.symlink_to(target)


async def test_clone_is_made_and_listed(ours: Repositories, remote: Path, root: Path) -> None:
    """A clone appears under its name, whole, with its remote and branch."""
    name, done = await ours.clone(str(remote), None)
    assert (name, done.message) == ("remote", "Repository cloned successfully")
    assert (root / "remote" / "README.md").read_text() == "one\n"
    assert names(root) == ["remote"]
    (listed,) = await ours.checkouts()
    assert (listed.name, listed.path, listed.remote, listed.branch) == (
        "remote",
        root / "remote",
        str(remote),
        "main",
    )


async def test_clone_again_changes_nothing(ours: Repositories, remote: Path, root: Path) -> None:
    """The same clone twice, even at the same time, is one; a name in use by something else is a conflict."""
    both = await asyncio.gather(ours.clone(str(remote), "twice"), ours.clone(str(remote), "twice"))
    assert sorted(done.message for _, done in both) == [
        "Repository cloned successfully",
        "Repository exists already",
    ]
    (root / "taken").mkdir()
    with pytest.raises(Conflict):
        await ours.clone(str(remote), "taken")
    with pytest.raises(Conflict):
        await ours.clone(f"{remote}/../remote.git", "twice")


async def test_clone_that_fails_leaves_nothing(ours: Repositories, tmp_path: Path, root: Path) -> None:
    """No half of a clone is left, also not of one that was killed before."""
    (root / ".cloning-missing").mkdir(parents=True)
    with pytest.raises(GitFailed, match="does not exist"):
        await ours.clone(str(tmp_path / "missing"), None)
    assert names(root) == []


@pytest.mark.parametrize(
    "address", ["ext::sh -c 'touch x'", "--upload-pack=x", "https://host/r", "ssh://host/r"]
)
async def test_clone_from_where_it_may_not_is_refused(ours: Repositories, root: Path, address: str) -> None:
    """What is no address, or of a transport that is not allowed, is not even tried."""
    with pytest.raises(BadInput):
        await ours.clone(address, "x")
    assert names(root.parent) == []


async def test_git_itself_refuses_other_transports(tmp_path: Path, remote: Path) -> None:
    """A remote that somebody configured is held to the same transports."""
    checkout = clone(remote, tmp_path / "repositories" / "app")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "GIT_ALLOW_PROTOCOL"}
    ours = Repositories(tmp_path / "repositories", Git(environment, MINUTE))
    with pytest.raises(GitFailed, match="transport 'file' not allowed"):
        await ours.pull("app", "main")
    git(checkout, "remote", "set-url", "origin", f"ext::touch {tmp_path / 'touched'}")
    with pytest.raises(GitFailed, match="transport 'ext' not allowed"):
        await ours.push("app", "main")
    assert not (tmp_path / "touched").exists()


async def test_checkout_finds_or_makes_the_branch(ours: Repositories, remote: Path, root: Path) -> None:
    """A local branch is switched to, the remote's is tracked, and any other is made."""
    checkout = clone(remote, root / "app")
    git(checkout, "push", "--quiet", "origin", "main:theirs")
    git(checkout, "fetch", "--quiet")
    assert (await ours.check_out("app", "theirs")).message == "Checked out branch: theirs"
    assert git(checkout, "rev-parse", "--abbrev-ref", "theirs@{upstream}") == "origin/theirs"
    assert (await ours.check_out("app", "new/one")).message == "Created and checked out branch: new/one"
    assert (await ours.check_out("app", "main")).message == "Checked out branch: main"
    assert git(checkout, "branch", "--format=%(refname:short)").split() == ["main", "new/one", "theirs"]


async def test_checkout_over_uncommitted_work_is_refused(
    ours: Repositories, remote: Path, root: Path
) -> None:
    """A person's uncommitted work is never thrown away."""
    checkout = clone(remote, root / "app")
    git(checkout, "switch", "--quiet", "--create", "other")
    commit(checkout, "README.md", "theirs\n")
    (checkout / "README.md").write_text("mine\n")
    with pytest.raises(GitFailed, match="would be overwritten"):
        await ours.check_out("app", "main")
    assert (checkout / "README.md").read_text() == "mine\n"


@pytest.mark.parametrize(
    "branch", ["-f", "--force", "a..b", "a b", "@{-1}", "HEAD", "a.lock", "", "a\0b", "x:y"]
)
async def test_name_that_no_branch_has_is_refused(
    ours: Repositories, remote: Path, root: Path, branch: str
) -> None:
    """Options and ranges never take a branch's place."""
    clone(remote, root / "app")
    for command in (ours.check_out, ours.push, ours.pull):
        with pytest.raises(BadInput):
            await command("app", branch)


@pytest.mark.parametrize("name", ["missing", "../elsewhere", "/etc", "out", "a\0b"])
async def test_repository_that_is_not_there_is_not_found(
    ours: Repositories, root: Path, tmp_path: Path, name: str
) -> None:
    """Names that lead out of the root are not told apart from missing ones."""
    make_link(root / "out", tmp_path / "elsewhere")
    with pytest.raises(NotFound, match=r"Repository '.*' not found"):
        await ours.check_out(name, "main")
    assert await ours.checkouts() == []


async def test_folder_without_git_is_no_repository(ours: Repositories, root: Path) -> None:
    """A plain folder is not taken for the repository that happens to be above it."""
    (root / "plain").mkdir(parents=True)
    git(root, "init", "--quiet")
    with pytest.raises(BadInput, match="not a git repository"):
        await ours.check_out("plain", "main")


async def test_broken_repository_is_not_taken_for_the_one_above(
    ours: Repositories, remote: Path, root: Path
) -> None:
    """Where `.git` is damaged, git does not go on in the repository that happens to be above."""
    clone(remote, root)
    (root / "broken" / ".git").mkdir(parents=True)
    with pytest.raises(GitFailed, match="not a git repository"):
        await ours.check_out("broken", "new")
    assert git(root, "branch", "--format=%(refname:short)") == "main"


async def test_push_and_pull_carry_commits(ours: Repositories, remote: Path, root: Path) -> None:
    """What one checkout pushes another pulls, on the branch that is checked out and on one that is not."""
    mine, theirs = clone(remote, root / "mine"), clone(remote, root / "theirs")
    git(theirs, "branch", "side")
    git(mine, "switch", "--quiet", "--create", "side")
    side = commit(mine, "side.txt", "s")
    git(mine, "switch", "--quiet", "main")
    main = commit(mine, "main.txt", "m")
    for branch in ("main", "side"):
        assert (await ours.push("mine", branch)).message == f"Pushed branch: {branch}"
        assert (await ours.pull("theirs", branch)).message == f"Pulled branch: {branch}"
    assert git(theirs, "rev-parse", "main", "side").split() == [main, side]
    assert (theirs / "main.txt").read_text() == "m"
    assert not (theirs / "side.txt").exists()
    assert git(mine, "rev-parse", "--abbrev-ref", "side@{upstream}") == "origin/side"


async def test_diverged_branches_are_neither_forced_nor_merged(
    ours: Repositories, remote: Path, root: Path
) -> None:
    """When both sides have commits, push and pull are refused and nothing is lost on either."""
    mine, theirs = clone(remote, root / "mine"), clone(remote, root / "theirs")
    commit(mine, "a.txt", "a")
    await ours.push("mine", "main")
    kept = commit(theirs, "b.txt", "b")
    with pytest.raises(GitFailed, match="rejected"):
        await ours.push("theirs", "main")
    with pytest.raises(GitFailed, match=r"[Nn]ot possible to fast-forward"):
        await ours.pull("theirs", "main")
    assert git(theirs, "rev-parse", "main") == kept


async def test_push_of_a_missing_branch_is_not_found(ours: Repositories, remote: Path, root: Path) -> None:
    """There is nothing to push."""
    clone(remote, root / "app")
    with pytest.raises(NotFound, match="Branch 'nope' not found"):
        await ours.push("app", "nope")


async def test_hooks_of_a_repository_are_not_run(ours: Repositories, remote: Path, root: Path) -> None:
    """An agent may write hooks, but not have us run them with our rights."""
    checkout = clone(remote, root / "app")
    for hook in ("post-checkout", "pre-push", "post-merge", "reference-transaction"):
        path = checkout / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\ntouch ../hooked hooked\n")
        path.chmod(0o755)
    await ours.check_out("app", "new")
    await ours.push("app", "new")
    await ours.pull("app", "new")
    assert not {"hooked"} & {*names(root), *names(checkout), *names(checkout / ".git")}


async def test_commands_on_one_repository_take_turns(ours: Repositories, remote: Path, root: Path) -> None:
    """Many commands at once on one checkout do not meet each other's lock files."""
    clone(remote, root / "app")
    async with asyncio.timeout(60):
        await asyncio.gather(*(ours.check_out("app", f"branch-{number}") for number in range(8)))
    assert len(git(root / "app", "branch", "--format=%(refname)").split()) == 9


async def test_credentials_of_addresses_are_never_told(ours: Repositories, remote: Path, root: Path) -> None:
    """Neither lists nor failures repeat what an address holds."""
    checkout = clone(remote, root / "app")
    git(checkout, "remote", "set-url", "origin", "https://me:hunter2@127.0.0.1:1/r.git")
    (listed,) = await ours.checkouts()
    assert listed.remote == "https://127.0.0.1:1/r.git"
    with pytest.raises(GitFailed) as failed:
        await ours.pull("app", "main")
    assert "hunter2" not in str(failed.value)


async def test_token_goes_to_github_alone_and_by_the_environment(
    tmp_path: Path, program: Callable[[str], dict[str, str]]
) -> None:
    """For github.com git is given a helper and the token's variable; for others, and on argv, nothing."""
    environment = program('echo "ARGV $*"; env') | {"GITHUB_TOKEN": "ghp_secret", "WEBHOOK_SECRET": "ours"}
    ours = Git(environment, MINUTE)
    github = await ours.run(tmp_path, "fetch", remote="https://github.com/o/r")
    other = await ours.run(tmp_path, "fetch", remote="https://gitlab.com/o/r")
    assert "WIREROOM_GIT_TOKEN=ghp_secret" in github
    assert "ghp_secret" not in next(line for line in github.splitlines() if line.startswith("ARGV"))
    assert "-c credential.helper= -c credential.https://github.com.helper=!" in github
    assert "ghp_secret" not in other
    assert "credential" not in other
    assert "WEBHOOK_SECRET" not in github


async def test_helper_answers_git_and_forgets_those_of_the_machine(tmp_path: Path) -> None:
    """The real git takes user and token from the helper, and has no other helper store them."""
    store = tmp_path / "stored"
    config = tmp_path / "gitconfig"
    config.write_text(f"[credential]\n\thelper = store --file={store}\n")
    environment = ENVIRONMENT | {"GIT_CONFIG_GLOBAL": str(config), "GITHUB_TOKEN": "ghp_secret"}
    ours, asked = Git(environment, MINUTE), "url=https://github.com/o/r\n\n"
    (tmp_path / "asked").write_text(asked)
    alias = (
        f"alias.fill=!git credential fill < '{tmp_path / 'asked'}' | tee /dev/stderr | git credential approve"
    )
    done = await ours.ask(tmp_path, "-c", alias, "fill", remote="https://github.com/o/r")
    assert b"username=x-access-token\npassword=ghp_secret\n" in done.stderr
    assert not store.exists()


async def test_slow_command_is_ended_with_all_it_started(
    tmp_path: Path, program: Callable[[str], dict[str, str]]
) -> None:
    """A command beyond its limit is ended, descendants that left its session too, and the limit is named."""
    leaks = LeakCheck(f"program-{os.getpid()}-")
    pids = tmp_path / "pids"
    environment = program(
        f'setsid sh -c "echo \\$\\$ >> {pids}; exec sleep 60" & sleep 60 & echo $! >> {pids}; sleep 60'
    )
    with pytest.raises(GitFailed, match="GIT_COMMAND_TIMEOUT"):
        await Git(environment, timedelta(seconds=0.5)).run(tmp_path, "fetch")
    started = pids.read_text().split()
    assert (len(started), [pid for pid in started if runs(pid)]) == (2, [])
    await leaks.assert_none()


async def test_cancelled_command_leaves_nothing(
    tmp_path: Path, program: Callable[[str], dict[str, str]]
) -> None:
    """Whoever stops waiting for a command ends it."""
    leaks = LeakCheck(f"program-{os.getpid()}-")
    started = tmp_path / "started"
    ours = Git(program(f"touch {started}; sleep 60"), MINUTE)
    task = asyncio.create_task(ours.run(tmp_path, "fetch"))
    await eventually(started.exists, "git has started")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await leaks.assert_none()


async def test_descendant_that_holds_the_output_keeps_nobody_waiting(
    tmp_path: Path, program: Callable[[str], dict[str, str]]
) -> None:
    """The command ends with git, not with a connection that it left open in the background."""
    ours = Git(program("sleep 60 & echo said"), timedelta(seconds=20))
    assert await ours.run(tmp_path, "fetch") == "said\n"


async def test_missing_git_is_told(tmp_path: Path) -> None:
    """Without the program the message says so."""
    with pytest.raises(GitFailed, match="Is git installed"):
        await Git({"PATH": str(tmp_path)}, MINUTE).run(tmp_path, "fetch")


async def test_output_is_bounded(tmp_path: Path, program: Callable[[str], dict[str, str]]) -> None:
    """A flood is read to its end, and its beginning kept."""
    ours = Git(program("head -c 3000000 /dev/zero"), MINUTE)
    done = await ours.ask(tmp_path, "diff", most_bytes=1000)
    assert (len(done.stdout), done.cut, done.code) == (1000, True, 0)
