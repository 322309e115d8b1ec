"""One setting for all: nothing is chosen."""

from dataclasses import dataclass

from gru_lab.training.protocols.protocol import Protocol, register


@register("fixed")
@dataclass(frozen=True, kw_only=True)
class Fixed(Protocol):
    """The members of the population, with the hyper-parameters as they are given.

    Which network does best may hang on these values: a comparison of networks is fairer under `tuned`.
    """

    @property
    def statement(self) -> str:
        """See `Protocol.statement`."""
        return "The hyper-parameters are the same for all networks and were not tuned"
