"""Write ERRORS.md: every sentence that a mistake costs, from the tests that provoke it.

    python scripts/errors.py                  from all tests of the default suite
    python scripts/errors.py tests/configs    from these alone

A sentence stands under the file that says it, once per place that raises it.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from gru_lab.errors import UserError
from gru_lab.exits import leave
from gru_lab.reports.escape import markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "ERRORS.md"
HEAD = """# What a mistake costs

One sentence and exit status 2. Here is an example per place that says one, under its file, as the tests provoke it;
written by `{command}`. FOLDER stands for a folder of the user's.
"""
SHOWN = 300  # letters of a sentence
FOLDERS = re.compile(r"(?:/private)?/tmp/[^ :;,'\")]*?(?=/[^/ :;,'\")]*(?:[ :;,'\")]|$)|[ :;,'\")]|$)")


def page(kept: list[tuple[str, str, str]], command: str) -> str:
    """The page of sentences, each with the place that raised it and the test that provoked it."""
    places: dict[str, dict[int, str]] = {}
    for place, sentence, _ in sorted(kept, key=lambda each: (len(each[1]), each)):
        file, _, line = place.rpartition(":")
        said = " ".join(FOLDERS.sub("FOLDER", sentence.replace(str(ROOT), "FOLDER")).split())
        said = said if len(said) <= SHOWN else f"{said[:SHOWN]}..."
        places.setdefault(str(Path(file).relative_to(ROOT)), {}).setdefault(int(line), said)
    lines = [HEAD.format(command=command)]
    for file, sentences in sorted(places.items()):
        lines.append(f"\n## {file}\n")
        lines += [f"- {markdown(sentence)}" for sentence in dict.fromkeys(sentences[n] for n in sorted(sentences))]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Run the tests and write the page; the exit status is that of the tests."""
    chosen = sys.argv[1:] if argv is None else argv
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", *chosen]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {"GRU_LAB_ERRORS": folder}, check=False)
        texts = [path.read_text("utf-8") for path in sorted(Path(folder).glob("*.jsonl"))]
    kept = [tuple(json.loads(line)) for text in texts for line in text.splitlines()]
    if not kept:
        raise UserError("no test provoked an error")
    text = page(kept, shlex.join(["python", "scripts/errors.py", *chosen]))
    PAGE.write_text(text, "utf-8")
    print(f"{PAGE.name}: {sum(line.startswith('- ') for line in text.splitlines())} sentences")
    return done.returncode


if __name__ == "__main__":
    leave(main)
