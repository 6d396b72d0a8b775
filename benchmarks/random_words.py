"""Raw words of `jaxq.random` on standard output, for any tester of random numbers that reads a pipe.

The words are those of a run: xoshiro128++ of `jaxq.random.next_word`, seeded from ``(seed, domain, replica)``. With
one replica they are one stream; with R replicas word t of replicas 0, ..., R - 1 comes before word t + 1, so a tester
sees any dependence between replicas as dependence between neighbours. uint32, little endian, without end unless
``--words`` is given; the count and the rate go to standard error at the end.

The results in ``random_words.json`` come from TestU01 1.2.3 (github.com/umontreal-simul/TestU01-2009, commit a038a86),
built by ``./configure --disable-shared && make`` outside the repository. For SmallCrush its driver read the words from a
pipe; Crush and BigCrush are long, and ``testu01.c`` makes the words itself, from the states that ``--states`` writes. Its
first lines say how, and how to see that they are the same words.

TestU01 reads the high bits of a word, hence the runs with ``--reverse``.
"""

import argparse
import os
import sys
import time

import jax
import numpy as np
from jax import lax

import jaxq
from jaxq import random

BLOCK = 2**20
"""Words a compiled call makes, rounded up to whole draws of all replicas."""

EXAMPLES = """examples:
  PractRand    python benchmarks/random_words.py --replicas 1 --seed 0 | RNG_test stdin32 -tlmax 64GB
  dieharder    python benchmarks/random_words.py --replicas 4096 | dieharder -a -g 200
  TestU01      python benchmarks/random_words.py --replicas 4096 --states states.bin (testu01.c says how it goes on)
  the rate     python benchmarks/random_words.py --words 1000000000 > /dev/null
"""


def reversed_bits(word):
    """The 32 bits of each word from last to first."""
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        word = ((word >> shift) & mask) | ((word & mask) << shift)
    return (word >> 16) | (word << 16)


def blocks(replicas: int, seed: int, domain: int, reverse: bool):
    """Blocks of words without end, host uint32 arrays of shape (draws, replicas)."""
    draws = -(-BLOCK // replicas)

    def draw(stream, _):
        word, stream = random.next_word(stream)
        return stream, reversed_bits(word) if reverse else word

    @jax.jit
    def block(stream):
        return lax.scan(draw, stream, None, length=draws, unroll=4)

    stream = random.stream(seed, domain, np.arange(replicas))
    following = block(stream)
    while True:
        stream, words = following
        following = block(stream)  # dispatched before the host waits: made while the tester reads
        yield np.asarray(words)


def whole(least: int):
    """A parser of whole numbers >= ``least`` for argparse."""

    def parse(text: str) -> int:
        if (number := int(text)) < least:
            raise argparse.ArgumentTypeError(f"{number}: must be >= {least}")
        return number

    return parse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Raw uint32 words of jaxq.random, little endian, on standard output.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--replicas", type=whole(1), default=1, help="streams interleaved word by word (default 1)")
    parser.add_argument("--seed", type=whole(0), default=0, help="the seed of the run (default 0)")
    parser.add_argument("--domain", type=int, choices=(0, 1, 2), default=random.PATH, help="default 0, the path")
    parser.add_argument("--words", type=whole(1), help="stop after this many words (default: never)")
    parser.add_argument("--reverse", action="store_true", help="reverse the bits of each word")
    parser.add_argument("--states", help="write the generators' states to this file instead, uint32, 4 by replicas")
    given = parser.parse_args()
    if given.seed >= 2**64:
        parser.error(f"argument --seed: {given.seed}: must be < 2**64")
    if given.states is None and sys.stdout.isatty():
        parser.error("standard output is a terminal: pipe it to a tester or a file")
    return given


def main():
    given = arguments()
    if given.states is not None:
        np.stack(random.stream(given.seed, given.domain, np.arange(given.replicas))).astype("<u4").tofile(given.states)
        return
    jaxq.use_all_cores(1)
    left = float("inf") if given.words is None else given.words
    made, start = 0, None
    try:
        for words in blocks(given.replicas, given.seed, given.domain, given.reverse):
            start = start or time.perf_counter()  # compilation is not counted
            words = words.ravel()[: min(left, words.size)]
            sys.stdout.buffer.write(words.astype("<u4", copy=False).data)
            made, left = made + words.size, left - words.size
            if not left:
                break
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the tester has enough; Python would flush once more at exit and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass
    if start is not None:
        seconds = time.perf_counter() - start
        print(f"{made} words in {seconds:.2f} s: {made / seconds / 1e6:.0f} million words/s", file=sys.stderr)


if __name__ == "__main__":
    main()
