"""What `git diff` prints, read file by file."""

from __future__ import annotations

import pytest

from wireroom.workspaces.diff_text import read_diff

CHANGED = """\
diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -1,3 +1,4 @@ def main():
 same
-old
+new
+--- more
 end
@@ -9 +10 @@
-last
\\ No newline at end of file
+LAST
"""


def test_lines_are_counted_and_numbered() -> None:
    """Each hunk knows where it begins; a line that looks like a head is still a line."""
    (file,) = read_diff(CHANGED)
    assert (file.path, file.status, file.insertions, file.deletions) == ("a.py", "changed", 3, 2)
    first, second = file.hunks
    assert (first.old_start, first.new_start, first.heading) == (1, 1, "def main():")
    assert list(first.lines) == [" same", "-old", "+new", "+--- more", " end"]
    assert list(second.lines) == ["-last", "\\ No newline at end of file", "+LAST"]


@pytest.mark.parametrize(
    ("head", "path", "old_path", "status", "is_binary"),
    [
        ("new file mode 100644\n--- /dev/null\n+++ b/a b.txt", "a b.txt", None, "added", False),
        ("deleted file mode 100644\n--- a/a b.txt\n+++ /dev/null", "a b.txt", None, "deleted", False),
        ("rename from old.py\nrename to new.py", "new.py", "old.py", "renamed", False),
        ("Binary files a/a b.txt and b/a b.txt differ", "a b.txt", None, "changed", True),
        ("old mode 100644\nnew mode 100755", "a b.txt", None, "changed", False),
        ('--- "a/a\\tb \\303\\244"\n+++ "b/a\\tb \\303\\244"', "a\tb ä", None, "changed", False),
    ],
    ids=["added", "deleted", "renamed", "binary", "mode", "quoted"],
)
def test_kinds_of_change_are_told(
    head: str, path: str, old_path: str | None, status: str, *, is_binary: bool
) -> None:
    """What git says above the lines tells what became of the file."""
    (file,) = read_diff(f"diff --git a/a b.txt b/a b.txt\n{head}\n")
    assert (file.path, file.old_path, file.status, file.is_binary) == (path, old_path, status, is_binary)


def test_text_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    """Wherever a bound cuts, nothing is refused, and no line appears that was not there."""
    lines = CHANGED.split("\n")
    for number in range(len(lines)):
        files = read_diff("\n".join(lines[:number]))
        assert [file.path for file in files] == ["a.py"] * (number > 0)
        assert [line for file in files for hunk in file.hunks for line in hunk.lines] == [
            line for line in lines[:number][4:] if not line.startswith("@@")
        ]


def test_files_follow_each_other() -> None:
    """A second file ends the first one."""
    files = read_diff(CHANGED + CHANGED.replace("a.py", "b.py"))
    assert [file.path for file in files] == ["a.py", "b.py"]
    assert [len(file.hunks) for file in files] == [2, 2]
