"""Translate sentences with a trained encoder-decoder, or measure its BLEU on the test set.

    python scripts/translate.py runs/translation/RUN "A man rides a horse." "Two dogs are playing."
    python scripts/translate.py RUN --beam 5 < sentences.txt
    python scripts/translate.py RUN --bleu --beam 5
    python scripts/translate.py RUN "A man rides a horse." --attention attention.png

RUN is the folder of a run, or of one of its members, with task=multi30k and model=encoder_decoder. Sentences are
arguments, or the lines of the standard input. With --beam 1, the default, the likeliest word is taken each time. The
symbol of unknown words is never chosen. BLEU is sacrebleu's, printed with its signature, of whole sentences as they are
written, compared in lower case where the task reads lower case.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gru_lab.programs import parser_of

AT_ONCE = 64  # sentences


class Translator:
    """A trained member that translates.

    Raises:
        UserError: if the run's task is not a translation, or its model not an encoder-decoder.
    """

    def __init__(self, run: str, seed: int | None = None) -> None:
        import gru_lab
        from gru_lab.errors import UserError
        from gru_lab.models.encoder_decoder import EncoderDecoderNetwork
        from gru_lab.tasks.translation import Multi30k

        loaded = gru_lab.load(run, seed=seed)
        task, network = loaded.experiment.task, loaded.network
        if not (isinstance(task, Multi30k) and isinstance(network, EncoderDecoderNetwork)):
            name = gru_lab.tasks.name_of(task)
            raise UserError(
                f"{run} is a run of task={name} with {loaded.experiment.network}: it must be of task=multi30k with "
                "model=encoder_decoder"
            )
        self.task, self.network = task, network

    def __call__(self, sentences: Sequence[str], beams: int = 1, alpha: float = 0.6) -> list[list[str]]:
        """The words of the best translation of each sentence."""
        import jax
        import jax.numpy as jnp
        import numpy as np

        from gru_lab.data.words import BEGIN, END, PADDING, UNKNOWN
        from gru_lab.models import decoding

        network = self.network

        @jax.jit
        def likeliest(source):
            known, width = network.encode(source), source.shape[1]
            each = jax.tree.map(lambda leaf: jnp.repeat(leaf, beams, axis=0), known)

            def step(state: Any, symbols: Any) -> Any:
                state, logits = network.advance(each, state, symbols)
                return state, logits.at[:, jnp.array([PADDING, UNKNOWN, BEGIN])].set(-jnp.inf)

            return decoding.beam(step, known.state, beams, 2 * width, BEGIN, END, alpha).symbols[:, 0]

        target, written = self.task.vocabularies[1], []
        symbols = [self.task.encode(sentence) for sentence in sentences]
        order = sorted(range(len(symbols)), key=lambda n: len(symbols[n]))  # equally long ones together
        for start in range(0, len(order), AT_ONCE):
            rows = [symbols[n] for n in order[start : start + AT_ONCE]]
            width = 8 * -(-max(map(len, rows)) // 8)  # few widths: each is compiled for
            source = np.full((min(AT_ONCE, len(order)), width), PADDING, np.int32)
            source[:, 0] = END
            for n, row in enumerate(rows):
                source[n, : len(row)] = row
            written += [target.decode(row) for row in np.asarray(likeliest(source))[: len(rows)]]
        placed = dict(zip(order, written, strict=True))
        return [placed[n] for n in range(len(order))]

    def shares(self, sentence: str, words: Sequence[str]) -> tuple[Any, list[str], list[str]]:
        """The attention (words, read) of a translation, its words and those that were read, ends included."""
        import jax.numpy as jnp
        import numpy as np

        from gru_lab.data.words import BEGIN, END, SPECIAL, words_of

        source = self.task.encode(sentence)
        target = np.append([BEGIN], self.task.vocabularies[1].encode(words)).astype(np.int32)
        width = max(len(source), len(target))
        read, so_far = (jnp.asarray(np.pad(row, (0, width - len(row))))[None] for row in (source, target))
        shares = np.asarray(self.network.attention_weights((read, so_far)))[0, : len(target), : len(source)]
        words_read = words_of(sentence, self.task.lower)[:: -1 if self.task.reverse else 1]
        return shares, [*words, SPECIAL[END]], [*words_read, SPECIAL[END]]


def bleu(translations: Sequence[str], references: Sequence[str], lower: bool) -> str:
    """BLEU of translations, with the signature that says how it was computed.

    Raises:
        UserError: if sacrebleu is not installed.
    """
    from gru_lab.errors import UserError

    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise UserError("--bleu needs sacrebleu, which is not installed: pip install 'gru-lab[translation]'") from None
    metric = BLEU(lowercase=lower)
    score = metric.corpus_score(list(translations), [list(references)])
    return f"{score}\n{metric.get_signature()}"


def main(argv: Sequence[str] | None = None) -> int:
    """Translate; the exit status is 2 for a mistake of the user's."""
    parser = parser_of("translate.py", __doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("sentences", metavar="SENTENCE", nargs="*", help="to be translated (default: standard input)")
    parser.add_argument("--beam", type=int, default=1, metavar="N", help="answers that the search follows (default: 1)")
    parser.add_argument("--alpha", type=float, default=0.6, help="exponent of the length penalty (default: 0.6)")
    parser.add_argument("--bleu", action="store_true", help="translate the test set, and print BLEU and its signature")
    parser.add_argument(
        "--attention", type=Path, metavar="FILE", help="draw where one sentence was looked at, PNG or PDF"
    )
    parser.add_argument("--member", type=int, metavar="SEED", help="the member of the run (default: the lowest seed)")
    asked = parser.parse_args(argv)

    from gru_lab.errors import UserError  # after the options are read: --help must not wait for it

    try:
        for name, kept, allowed in [
            ("beam", asked.beam >= 1, "at least 1"),
            ("alpha", 0 <= asked.alpha < float("inf"), "at least 0"),
            ("attention", _drawable(asked.attention), "the name of a .png or .pdf in a folder that is there"),
        ]:
            if not kept:
                raise UserError(f"--{name} is {getattr(asked, name)}: it must be {allowed}")
        if asked.bleu and (asked.sentences or asked.attention):
            raise UserError("--bleu translates the test set: leave sentences and --attention out")
        _answer(asked)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _drawable(path: Path | None) -> bool:
    return path is None or (path.suffix in (".png", ".pdf") and path.parent.is_dir())


def _answer(asked: argparse.Namespace) -> None:
    """Translate or measure, and print it; draw the figure if one is asked for."""
    from gru_lab.data.words import sentence_of
    from gru_lab.errors import UserError

    translator = Translator(asked.run, asked.member)
    if asked.bleu:
        sentences, references = zip(*translator.task.sentences("test"), strict=True)
        translations = map(sentence_of, translator(sentences, asked.beam, asked.alpha))
        print(bleu([*translations], references, translator.task.lower))
        return
    sentences = [each.strip() for each in asked.sentences or sys.stdin]
    if asked.attention and len(sentences) != 1:
        raise UserError(f"--attention draws one sentence, and there are {len(sentences)}")
    if not sentences or not all(sentences):
        raise UserError("a sentence is empty: give at least one word")
    written = translator(sentences, asked.beam, asked.alpha)
    for words in written:
        print(sentence_of(words))
    if asked.attention:
        from gru_lab.reports import style
        from gru_lab.reports.attention import attention_figure
        from gru_lab.runs.files import write_atomically

        figure = attention_figure(*translator.shares(sentences[0], written[0]))
        write_atomically(asked.attention, style.files(figure)[asked.attention.suffix[1:]])
