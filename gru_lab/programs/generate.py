"""Let a character model write: continues a prompt, character by character.

    python scripts/generate.py runs/default/gru-tiny_shakespeare-1a2b3c4d "ROMEO:"
    python scripts/generate.py RUN "ROMEO:" --characters 2000 --temperature 0.7 --top-k 10 --top-p 0.9 --seed 1

RUN is the folder of a run, or of one of its members, whose task is a character model. Before each character the network
reads the last characters that fit in the window with which it was trained.
"""

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from gru_lab.programs import parser_of


def chances(logits: np.ndarray, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0) -> np.ndarray:
    """The probability of each symbol.

    The softmax of `logits / temperature`, of which only the `top_k` likeliest symbols are kept, and of these the fewest
    that have `top_p` of the probability together (Holtzman et al. 2020, arXiv:1904.09751); a temperature of 0 keeps the
    likeliest one.

    >>> logits = np.log([0.5, 0.3, 0.2])
    >>> chances(logits, top_k=2).round(3).tolist(), chances(logits, top_p=0.5).tolist()
    ([0.625, 0.375, 0.0], [1.0, 0.0, 0.0])
    """
    logits = np.asarray(logits, np.float64)
    if temperature == 0:
        return np.eye(len(logits))[logits.argmax()]
    probability = np.exp((logits - logits.max()) / temperature)
    order = np.argsort(-probability, kind="stable")
    probability[order[top_k:] if top_k else []] = 0
    probability /= probability.sum()
    before = np.cumsum(probability[order]) - probability[order]
    probability[order[before >= top_p - 1e-12]] = 0
    return probability / probability.sum()


def characters(run: str, prompt: str, seed: int | None, generator: np.random.Generator, **options) -> Iterator[str]:
    """The characters that follow a prompt, without end.

    Raises:
        UserError: if the run's task is not a character model, or for a character of the prompt that it does not know.
    """
    import jax
    import jax.numpy as jnp

    import gru_lab
    from gru_lab.data import at_end
    from gru_lab.errors import UserError
    from gru_lab.tasks.text import Characters

    loaded = gru_lab.load(run, seed=seed)
    task, network = loaded.experiment.task, loaded.network
    if not isinstance(task, Characters):
        raise UserError(f"{run} is a run of task={gru_lab.tasks.name_of(task)}, which is not a character model")
    if not prompt:
        raise UserError("the prompt is empty: give at least one character")
    symbols = [*task.encode(prompt)]

    @jax.jit
    def answer(window, length):
        return at_end(network(window[None], length[None]), length[None])[0]

    while True:
        last = np.array(symbols[-task.length :], np.int32)
        window = np.zeros(task.length, np.int32)
        window[: len(last)] = last
        probability = chances(np.asarray(answer(jnp.asarray(window), jnp.int32(len(last)))), **options)
        symbols.append(int(generator.choice(len(probability), p=probability)))
        yield task.vocabulary[symbols[-1]]


def main(argv: Sequence[str] | None = None) -> int:
    """Write a text; the exit status is 2 for a mistake of the user's."""
    parser = parser_of("generate.py", __doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("prompt", metavar="PROMPT")
    parser.add_argument("--characters", type=int, default=500, help="how many to write (default: 500)")
    parser.add_argument("--temperature", type=float, default=1.0, help="0 for the likeliest each time (default: 1)")
    parser.add_argument("--top-k", type=int, help="keep the K likeliest characters (default: all)")
    parser.add_argument("--top-p", type=float, default=1.0, help="keep the likeliest with P together (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing (default: 0)")
    parser.add_argument("--member", type=int, metavar="SEED", help="the member of the run (default: the lowest seed)")
    asked = parser.parse_args(argv)

    from gru_lab.errors import UserError  # after the options are read: --help must not wait for it

    try:
        limits = {
            "--characters": asked.characters >= 1,
            "--temperature": 0 <= asked.temperature < float("inf"),
            "--top-k": asked.top_k is None or asked.top_k >= 1,
            "--top-p": 0 < asked.top_p <= 1,
            "--seed": asked.seed >= 0,
        }
        allowed = {"--temperature": "at least 0", "--top-p": "above 0 and at most 1", "--seed": "at least 0"}
        for name, kept in limits.items():
            if not kept:
                value = getattr(asked, name.strip("-").replace("-", "_"))
                raise UserError(f"{name} is {value}: it must be {allowed.get(name, 'at least 1')}")
        options = {"temperature": asked.temperature, "top_k": asked.top_k, "top_p": asked.top_p}
        written = characters(asked.run, asked.prompt, asked.member, np.random.default_rng(asked.seed), **options)
        first = next(written)
        print(asked.prompt + first, end="", flush=True)
        for _ in range(asked.characters - 1):
            print(next(written), end="", flush=True)
        print()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
