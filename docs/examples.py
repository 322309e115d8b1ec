"""Examples of docstrings as blocks of code, for mkdocstrings."""

import re

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)


class Examples(griffe.Extension):
    """Puts every example of a docstring into a block of its own."""

    def on_object(self, *, obj: griffe.Object, **arguments: object) -> None:
        """Called for each module, class and function that is documented."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", obj.docstring.value)
