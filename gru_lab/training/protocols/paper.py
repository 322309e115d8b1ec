"""A paper's own protocol, with its source and its flaws named."""

from dataclasses import dataclass

from gru_lab.training.protocols.protocol import Protocol, register


@register("paper")
@dataclass(frozen=True, kw_only=True)
class Paper(Protocol):
    """The members of the population as a paper trained them, to stand beside its numbers.

    Attributes:
        source: the paper, with its year and where the protocol stands in it.
        flaws: the ways in which the protocol favours one network or hides chance, a sentence each; the notes under a
            table name them. A preset of `configs/protocol/` holds those of one paper.
    """

    source: str
    flaws: tuple[str, ...] = ()

    def check(self) -> None:
        """A source is needed."""
        if not self.source.strip():
            self.refuse("source", "it must name the paper")

    @property
    def statement(self) -> str:
        """See `Protocol.statement`."""
        flaws = "; ".join(flaw.rstrip(".") for flaw in self.flaws)
        return f"As in {self.source}" + (f", with its flaws: {flaws}" if flaws else "")
