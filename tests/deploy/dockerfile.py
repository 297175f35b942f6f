"""What the tests must see of a Dockerfile: its stages with their instructions, continued lines joined."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continued lines joined."""

    word: str
    """Such as `RUN`."""
    rest: str

    @property
    def arguments(self) -> list[str]:
        """The words of an exec form (a JSON list), else those of the line without its options."""
        if self.rest.startswith("["):
            return [str(word) for word in json.loads(self.rest)]
        return [word for word in self.rest.split() if not word.startswith("--")]


@dataclass(slots=True)
class Stage:
    """What stands from one `FROM` to the next."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, word: str) -> list[Instruction]:
        """Return the instructions of one kind, in order."""
        return [one for one in self.instructions if one.word == word]

    @property
    def variables(self) -> dict[str, str]:
        """What `ENV` sets; `$PATH` of the base image stays as it stands."""
        pairs = (re.findall(r"(\w+)=(\S+)", one.rest) for one in self.of("ENV"))
        return {name: value for found in pairs for name, value in found}


def stages(path: Path) -> list[Stage]:
    """Return the file's stages; what stands before the first `FROM` is none of them."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append(Stage(rest.partition(" AS ")[2]))
        elif found and word:
            found[-1].instructions.append(Instruction(word, rest.strip()))
    return found
