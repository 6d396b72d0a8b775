"""The words against plain Python integers and against chance; the variates against their laws.

`benchmarks/random_words.py` feeds the same words to TestU01; here only what a short sample shows. The checks on words
return p-values. A sound generator must stay above LEVEL in each of some 40 checks, so it fails with probability below
1e-4 (the seeds are fixed: it is the first run that takes the risk); the unsound ones below must fail the same checks.
"""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy.special import chdtr, chdtrc, ndtr, ndtri

from jaxq import random

LEVEL = 2e-6
MASK = 0xFFFFFFFF
EXTREMES = (0, 1, 2, 127, 128, 255, 256, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 129, 2**32 - 128, 2**32 - 1)
# One word from the middle of each of 2**20 equal cells: means over it are integrals over (0, 1), without noise.
CELLS = (np.arange(2**20, dtype=np.uint32) << 12) + np.uint32(2**11)


def words(values) -> jax.Array:
    return jnp.asarray(np.asarray(values, np.uint32))


# Plain Python: xoshiro128++ as in Blackman and Vigna (2021), section 4, and Threefry-2x32-20 as in Salmon et al. (2011)


def rotate(x: int, k: int) -> int:
    return (x << k | x >> (32 - k)) & MASK


def xoshiro128pp(state: list[int], count: int) -> list[int]:
    s, out = list(state), []
    for _ in range(count):
        out.append((rotate((s[0] + s[3]) & MASK, 7) + s[0]) & MASK)
        t = (s[1] << 9) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 11)
    return out


def threefry(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    keys = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = (counter[0] + keys[0]) & MASK, (counter[1] + keys[1]) & MASK
    for i in range(20):
        x = (x + y) & MASK
        y = rotate(y, ((13, 15, 26, 6), (17, 29, 16, 24))[i // 4 % 2][i % 4]) ^ x
        if i % 4 == 3:
            n = i // 4 + 1
            x, y = (x + keys[n % 3]) & MASK, (y + keys[(n + 1) % 3] + n) & MASK
    return x, y


def seeded(seed: int, domain: int, replica: int, count: int) -> list[int]:
    key = threefry(threefry((seed >> 32, seed & MASK), (0, domain)), (0, replica))
    return [x ^ y for x, y in (threefry(key, (0, i)) for i in range(count))]


# The generator and its seed, compiled


def streams(seed: int, domain: int, replicas) -> random.Stream:
    return random.stream(seed, domain, replicas)


def single(seed: int, replica: int) -> random.Stream:
    return streams(seed, random.PATH, replica)


@jax.jit(static_argnums=1)
def run(s: random.Stream, count: int) -> jax.Array:
    def draw(s, _):
        word, s = random.next_word(s)
        return s, word

    return lax.scan(draw, s, None, length=count, unroll=4)[1]


below, exponential = jax.jit(random.below), jax.jit(random.exponential)
normal, scaled, uniform = jax.jit(random.normal), jax.jit(random.scaled), jax.jit(random.uniform)


def test_reference_vectors() -> None:
    # The first outputs of xoshiro128++ from (1, 2, 3, 4), and the known answers that come with Random123.
    assert xoshiro128pp([1, 2, 3, 4], 4) == [641, 1573767, 3222811527, 3517856514]
    assert threefry((0, 0), (0, 0)) == (0x6B200159, 0x99BA4EFE)
    assert threefry((MASK, MASK), (MASK, MASK)) == (0x1CB996FC, 0xBB002BE7)
    assert threefry((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)) == (0xC4923A9C, 0x483DF7A0)


@pytest.mark.parametrize(
    "state", [(1, 2, 3, 4), (0, 0, 0, 1), (MASK,) * 4, (2**31, 0, 0, 0), (0xDEADBEEF, 0x01234567, 0x89ABCDEF, 5)]
)
def test_words_are_xoshiro128pp(state: tuple[int, ...]) -> None:
    start = random.Stream(*(jnp.uint32(part) for part in state))
    assert np.asarray(run(start, 1000)).tolist() == xoshiro128pp(state, 1000)
    batch, after = random.next_words(start, 5)
    assert [int(word) for word in batch] == xoshiro128pp(state, 5)
    assert int(random.next_word(after)[0]) == xoshiro128pp(state, 6)[-1]
    assert all(part.dtype == jnp.uint32 and part.shape == () for part in (*batch, *after))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 0x0123456789ABCDEF, 2**64 - 1])
@pytest.mark.parametrize("domain", [random.PATH, random.START, random.HOLDING])
def test_seeding(seed: int, domain: int) -> None:
    replicas = [0, 1, 2**20, 2**31 - 1]
    state = np.asarray(streams(seed, domain, replicas)).T
    assert state.tolist() == [seeded(seed, domain, replica, 4) for replica in replicas]


def test_words_of_the_start() -> None:
    few = random.words_for(9, random.START, 7, 3)
    assert few.dtype == np.uint32
    assert few.tolist() == seeded(9, random.START, 7, 3) == seeded(9, random.START, 7, 4)[:3]
    many = random.words_for(9, random.START, np.array([[7, 0, 5]] * 2), 3)  # in every shape, also of more than a chunk
    assert many.shape == (3, 2, 3)
    assert many[:, 1, 2].tolist() == seeded(9, random.START, 5, 3)
    assert random.words_for(9, random.START, np.arange(40_000), 2)[:, 39_999].tolist() == seeded(9, 1, 39_999, 2)


@pytest.mark.parametrize("seed", [0, 2**40 + 3])
def test_seeding_is_that_of_jax(seed: int) -> None:
    key = jax.random.wrap_key_data(random.key_data(seed), impl="threefry2x32")
    key = jax.random.fold_in(jax.random.fold_in(key, random.PATH), 12)
    with jax.threefry_partitionable(True):
        assert np.asarray(jax.random.bits(key, (4,))).tolist() == random.words_for(seed, random.PATH, 12, 4).tolist()


def test_path_of_seed_0_never_changes() -> None:
    start = single(0, 0)
    assert np.asarray(run(start, 40))[:4].tolist() == [0xB1D55049, 0x083C83E3, 0x6C5828DA, 0x2699961F]


def test_a_replica_does_not_depend_on_the_batch() -> None:
    alone = np.asarray(run(single(5, 6), 40))
    for batch in (np.array([2**20, 6, 0, 2**31 - 1]), np.arange(2000)):
        together = np.asarray(run(streams(5, random.PATH, batch), 40))
        assert together.shape == (40, batch.size)
        assert np.array_equal(together[:, np.flatnonzero(batch == 6)[0]], alone)


def test_x64_changes_nothing() -> None:
    def all_of():
        word = run(single(3, 1), 40)
        ours = (uniform(word), exponential(word), normal(word), scaled(word, 2.5))
        return [np.asarray(x) for x in (word, *ours, *below(word, 10))]

    without = all_of()
    with jax.enable_x64(True):
        double = all_of()
    for x, y in zip(without, double, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_seeds_domains_and_replicas_differ() -> None:
    seeds = [0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    domains = (random.PATH, random.START, random.HOLDING)
    states = [np.asarray(streams(seed, domain, np.arange(2000))).T for seed in seeds for domain in domains]
    states = np.concatenate(states)
    assert len(np.unique(states, axis=0)) == len(states) == 2000 * len(seeds) * 3
    # A word of the state in common is a coincidence: 54,000 words of 32 bits share some .34 pairs.
    assert all(len(np.unique(column)) > len(states) - 8 for column in states.T)


def test_key_data() -> None:
    for seed in (0, 1, 2**32, 2**32 + 5, 2**64 - 1, np.int32(7), np.uint64(2**64 - 1)):
        high, low = random.key_data(seed)
        assert (int(high) << 32) + int(low) == int(seed)
        assert random.key_data(seed).dtype == np.uint32
    for seed in (-1, 2**64, 1.0, np.float64(2), True, np.bool_(True), "1", None):
        with pytest.raises(ValueError, match="seed = "):
            random.key_data(seed)


# Checks on words of shape (draws, replicas): each gives a p-value


def two_sided(statistic: float, freedom: float) -> float:
    """Of a chi-square statistic; a fit that is too good counts too, short periods fit perfectly."""
    return min(1.0, 2 * min(chdtr(freedom, statistic), chdtrc(freedom, statistic)))


def even(cell: np.ndarray, cells: int) -> float:
    """Chi-square of equal cells."""
    seen = np.bincount(cell.ravel(), minlength=cells)
    expected = cell.size / cells
    assert expected >= 10
    return two_sided(np.square(seen - expected).sum() / expected, cells - 1)


def least(p_values) -> float:
    p_values = list(p_values)
    return min(1.0, len(p_values) * min(p_values))


def as_bytes(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).view(np.uint8).reshape(-1, 4)


def bytes_even(x: np.ndarray) -> float:
    return least(even(byte, 256) for byte in as_bytes(x).T)


def bits_even(x: np.ndarray) -> float:
    is_set = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    counts = np.concatenate([np.bincount(byte, minlength=256) @ is_set for byte in as_bytes(x).T])
    return two_sided(np.square(counts - x.size / 2).sum() * 4 / x.size, 32)


def pairs_even(x: np.ndarray, y: np.ndarray, bits: int) -> float:
    """Chi-square of pairs of ``bits`` bits, at the same place in both words, for every place."""
    low = np.uint32(2**bits - 1)
    places = (np.uint32(place) for place in range(0, 32, bits))
    return least(even((x >> place & low) << np.uint32(bits) | (y >> place & low), 4**bits) for place in places)


def serial(x: np.ndarray, lag: int, bits: int = 4) -> float:
    """Words of one replica ``lag`` draws apart, each word in one pair."""
    x = x[: len(x) // (2 * lag) * 2 * lag].reshape(-1, 2, lag, *x.shape[1:])
    return pairs_even(x[:, 0], x[:, 1], bits)


def neighbours(x: np.ndarray, bits: int = 4) -> float:
    """Words of replicas 2i and 2i + 1 at the same draw."""
    return pairs_even(x[:, ::2], x[:, 1::2], bits)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    u, v = ((x + 0.5) / 2**32 - 0.5 for x in (x, y))
    return float(2 * ndtr(-abs(12 * (u * v).sum() / math.sqrt(u.size))))


def spread(x: np.ndarray) -> float:
    """Variance of the replicas' means about 1/2: what a confidence interval over replicas relies on."""
    z = ((x + 0.5) / 2**32 - 0.5).mean(0) * math.sqrt(12 * len(x))
    return two_sided(np.square(z).sum(), z.size)


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    """512 draws of 4096 replicas."""
    return np.asarray(run(streams(0, random.PATH, np.arange(4096)), 512))


@pytest.fixture(scope="module")
def first() -> np.ndarray:
    """The first 4 draws of 2**17 replicas: here a weak seeding shows."""
    return np.asarray(run(streams(0, random.PATH, np.arange(2**17)), 4))


@pytest.fixture(scope="module")
def one() -> np.ndarray:
    return np.asarray(run(single(1, 0), 2**18))[:, None]


@pytest.mark.parametrize("sample", ["many", "first", "one"])
def test_words_are_even(sample: str, request: pytest.FixtureRequest) -> None:
    x = request.getfixturevalue(sample)
    assert bytes_even(x) > LEVEL
    assert bits_even(x) > LEVEL


@pytest.mark.parametrize("lag", [1, 2])
def test_words_in_a_row(lag: int, many: np.ndarray, first: np.ndarray, one: np.ndarray) -> None:
    assert serial(many, lag, 8) > LEVEL
    assert serial(first, lag) > LEVEL
    assert serial(one, lag) > LEVEL
    assert correlation(many[:-lag], many[lag:]) > LEVEL


def test_replicas_side_by_side(many: np.ndarray, first: np.ndarray) -> None:
    assert neighbours(many, 8) > LEVEL
    assert neighbours(first) > LEVEL
    assert neighbours(first[:1]) > LEVEL
    assert spread(many) > LEVEL
    for x in (many, first):
        assert correlation(x[:, :-1], x[:, 1:]) > LEVEL
        assert correlation(x[:-1, :-1], x[1:, 1:]) > LEVEL


def test_seeds_and_domains_side_by_side(first: np.ndarray) -> None:
    replicas = np.arange(2**17)
    for seed, domain in ((1, random.PATH), (2**32, random.PATH), (0, random.HOLDING)):
        other = np.asarray(run(streams(seed, domain, replicas), 4))
        assert pairs_even(first, other, 4) > LEVEL
        assert correlation(first, other) > LEVEL
    assert pairs_even(first, np.asarray(streams(0, random.START, replicas)), 4) > LEVEL  # the words of `words_for`


def test_checks_find_a_congruential_generator() -> None:
    # x -> 1664525 x + 1013904223 (mod 2**32): bit k has period 2**(k + 1).
    x = np.empty(2**18, np.uint32)
    value = 1
    for i in range(x.size):
        x[i] = value = (1664525 * value + 1013904223) & MASK
    assert bytes_even(x[:, None]) < LEVEL
    assert bits_even(x[:, None] & np.uint32(0xFF)) < LEVEL
    assert serial(x[:, None], 1) < LEVEL
    assert serial(x[:, None], 2) < LEVEL


def test_checks_find_equal_seeds(many: np.ndarray) -> None:
    twins = np.repeat(many[:, ::2], 2, axis=1)
    assert neighbours(twins, 8) < LEVEL
    assert correlation(twins[:, :-1], twins[:, 1:]) < LEVEL
    assert spread(np.repeat(many[:, ::256], 256, axis=1)) < LEVEL


def test_checks_find_a_weak_seeding(first: np.ndarray) -> None:
    # The replica's number added to one word of a common state, instead of Threefry.
    a, b, c, d = single(0, 0)
    replicas = jnp.arange(2**17, dtype=jnp.uint32)
    weak = np.asarray(run(random.Stream(a + replicas, *(jnp.broadcast_to(x, replicas.shape) for x in (b, c, d))), 4))
    assert bytes_even(weak) < LEVEL
    assert neighbours(weak) < LEVEL
    assert correlation(weak[:, :-1], weak[:, 1:]) < LEVEL
    assert serial(weak, 1) < LEVEL


# Variates: exact where the law is on a grid, else against the law at float32 precision


def test_uniform() -> None:
    extremes = np.asarray(uniform(words(EXTREMES)))
    assert extremes.dtype == np.float32
    assert ((extremes > 0) & (extremes < 1)).all(), "the interval is open"
    x = np.asarray(uniform(words(CELLS)), np.float64)
    assert np.abs(x - (CELLS + 0.5) / 2**32).max() <= 2.0**-23
    assert x.mean() == pytest.approx(0.5, abs=1e-7)
    assert (np.diff(x) >= 0).all()
    mirrored = np.asarray(uniform(words(CELLS ^ np.uint32(MASK))), np.float64)
    assert np.array_equal(mirrored, 1 - x)


def test_scaled() -> None:
    for upper in (1.0, 3.7, np.float32(1e6), np.float32(1e-6)):
        top = np.float32(upper)
        x = np.asarray(scaled(words(EXTREMES), upper))
        assert x.dtype == np.float32
        assert x[0] == 0
        assert x[-1] == x[-2] == top, "the largest 128 words"
        assert x[-3] < top
        assert x[1:4].tolist() == [np.float32(top * 2.0**-32) * np.float32(word) for word in EXTREMES[1:4]]
        mean = np.asarray(scaled(words(CELLS), upper), np.float64).mean()
        assert mean == pytest.approx(float(top) / 2, rel=1e-6)
        assert np.array_equal(x, scaled(words(EXTREMES), jnp.float32(upper)))


def test_exponential() -> None:
    x = np.asarray(exponential(words(EXTREMES)))
    assert x.dtype == np.float32
    assert ((x >= 0) & (x <= 22.9)).all()
    assert x[0] == pytest.approx(33 * math.log(2), rel=1e-6)
    assert x[-1] == 0
    some = np.unique(np.concatenate([np.geomspace(1, 2**32 - 1, 2**16).astype(np.uint32), np.uint32(EXTREMES)]))
    x = np.asarray(exponential(words(some)), np.float64)
    # float32 rounds 1 - u to 2**-25, and log to some units in the last place.
    np.testing.assert_allclose(x, -np.log((some + 0.5) / 2**32), rtol=5e-7, atol=7e-8)
    x = np.asarray(exponential(words(CELLS)), np.float64)
    assert x.mean() == pytest.approx(1, abs=2e-6)
    assert np.square(x).mean() == pytest.approx(2, abs=3e-5)


def test_a_sum_of_exponentials(many: np.ndarray) -> None:
    """Of one to seven words, beside the logarithms of each; seven of the least words, whose product float32 cannot hold."""
    for count in range(1, 8):
        several = words(many.ravel()[: count * 1000].reshape(count, -1))
        separate = -np.log((np.asarray(several, np.float64) + 0.5) * 2.0**-32).sum(0)
        np.testing.assert_allclose(np.asarray(exponential(*several), np.float64), separate, rtol=1e-6, atol=3e-7)
    assert float(exponential(*[jnp.uint32(0)] * 7)) == pytest.approx(7 * 33 * np.log(2), rel=1e-6)


def test_exponential_of_the_stream(many: np.ndarray) -> None:
    x = np.asarray(exponential(words(many)), np.float64)
    for power, mean in ((1, 1), (2, 2)):
        deviation = math.sqrt(math.factorial(2 * power) - mean**2)
        assert abs((x**power).mean() - mean) < 5 * deviation / math.sqrt(x.size)


def test_grid24() -> None:
    x = np.asarray(random.grid24(words(EXTREMES)))
    assert x.dtype == np.float32
    assert x.tolist() == [(word >> 8) / 2**24 for word in EXTREMES]


def test_edges() -> None:
    found = random.edges([0.25, 1e-9, 0.5])
    assert found.dtype == np.uint32
    assert found.tolist() == [2**30, 2**30 + 4, 2**30 + 2**31 + 4]
    assert random.edges([0.5, 0.5]).tolist() == [2**31, MASK]
    assert random.edges([]).size == 0


def test_probabilities_that_a_grid_cannot_have() -> None:
    random.check_drawn("p", ..., [0.0, 1.2e-8, 1.0, 0.5])
    random.check_drawn("p", ..., 8 / 2**32)  # a place of the grid
    with pytest.raises(
        ValueError, match=r"^p = 2e-09: an event has the probability 2e-09, must be 0 or >= 1.2e-08 to be drawn"
    ):
        random.check_drawn("p", 2e-9, [0.3, 2e-9])
    with pytest.raises(ValueError, match="must be 0 or >= 3e-06"):
        random.check_drawn("p", ..., 2.5e-7, bits=24)


def test_scaled_with_a_second_word() -> None:
    """24 bits of the 64, however small: against Python integers."""
    some = [(0, 1), (0, 2**31), (1, 12345678), (300, MASK), (2**20, 2**30), (2**31, 77), (MASK, MASK)]
    first, second = (words([pair[i] for pair in some]) for i in (0, 1))
    exact = [3 * (a * 2**32 + b) / 2**64 for a, b in some]
    np.testing.assert_allclose(np.asarray(random.scaled(first, 3.0, second), np.float64), exact, rtol=2.0**-22)


def test_normal_with_a_second_word() -> None:
    """A quantile of 2**-65 / 2 at the end; scipy's inverse in between."""
    some = [(0, 0), (0, 5000), (3, 2**31), (1000, 7), (2**31 - 1, 0)]
    first, second = (words([pair[i] for pair in some]) for i in (0, 1))
    exact = ndtri([(a * 2**32 + b + 0.5) / 2**64 for a, b in some])
    np.testing.assert_allclose(np.asarray(random.normal(first, second), np.float64), exact, rtol=2e-5, atol=2e-6)
    assert exact[0] < -9.1


def test_below_beyond_16_bits() -> None:
    for n in (65537, 100_000, 131_072, 2**20, 2**20 + 1, 10**9, 2**31 - 1):
        starts = [-(-j * 2**32 // n) for j in (1, 2, (n + 1) // 2, n - 1, n)]
        some = [*EXTREMES, *(min(max(word, 0), MASK) for start in starts for word in (start - 1, start))]
        for number, rest in (random.below(words(some), n), random.below(words(some), jnp.int32(n), most=2**31 - 1)):
            assert np.asarray(number).tolist() == [word * n >> 32 for word in some]
            assert np.asarray(rest).tolist() == [word * n & MASK for word in some]
    for n in (0, 2**31):
        with pytest.raises(ValueError, match=f"n = {n}: must be >= 1 and < 2"):
            random.below(words([1]), n)


def test_below_with_8_bits_more() -> None:
    for n in (1, 7, 32768, 131_072):
        some = [(word, low) for word in [*EXTREMES, 2**32 // n - 1, 5 * 2**32 // n % 2**32] for low in (0, 1, 130, 255)]
        word, low = (words([pair[i] for pair in some]) for i in (0, 1))
        number, rest = random.below(word, n, low=low | words([0xABCDEF00]))
        exact = [(w * n << 8) + b * n >> 8 for w, b in some]
        assert np.asarray(number).tolist() == [x >> 32 for x in exact]
        assert np.asarray(rest).tolist() == [x & MASK for x in exact]


def test_below_against_python_integers() -> None:
    for n in (1, 2, 3, 5, 7, 10, 100, 255, 256, 257, 1000, 32767, 32768, 40000, 65535, 65536):
        edges = [-(-j * 2**32 // n) for j in (1, 2, (n + 1) // 2, n - 1, n)]  # first words of the number j
        some = [*EXTREMES, *(min(max(word, 0), MASK) for edge in edges for word in (edge - 1, edge))]
        for count in (n, np.int32(n), jnp.int32(n), jnp.uint32(n)):
            number, rest = below(words(some), count)
            assert number.dtype == jnp.int32 and rest.dtype == jnp.uint32
            assert np.asarray(number).tolist() == [word * n >> 32 for word in some]
            assert np.asarray(rest).tolist() == [word * n & MASK for word in some]


def test_below_for_every_n(one: np.ndarray) -> None:
    n = np.arange(1, 65537, dtype=np.uint64)[:, None]
    edge = -(-(np.array([1, 2, 3]) * 2**32) // n.astype(np.int64))  # first words of the next numbers
    some = np.concatenate([edge - 1, edge, np.broadcast_to(one[:8, 0], (n.size, 8))], 1).clip(0, MASK)
    number, rest = below(words(some), jnp.asarray(n, jnp.int32))
    product = some.astype(np.uint64) * n
    assert np.array_equal(number, product >> np.uint64(32))
    assert np.array_equal(rest, product & np.uint64(MASK))


def test_below_is_even(many: np.ndarray) -> None:
    for n in (3, 10, 1000):
        number, rest = below(words(many), n)
        assert even(np.asarray(number), n) > LEVEL
        assert even(np.asarray(number) * 4 + (np.asarray(rest) >> 30), 4 * n) > LEVEL
    # By counting: the number of words that give j is 2**32/n to within one word.
    for n in (3, 1000, 65535):
        count = [-(-(j + 1) * 2**32 // n) - -(-j * 2**32 // n) for j in range(n)]
        assert max(abs(c - Fraction(2**32, n)) for c in count) < 1


def test_normal() -> None:
    x = np.asarray(normal(words(EXTREMES)))
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert np.abs(x).max() == -x[0] == x[EXTREMES.index(2**31)] == pytest.approx(6.338, abs=1e-3)
    some = np.unique(np.geomspace(1, 2**31, 2**16).astype(np.uint32)) - np.uint32(1)
    x = np.asarray(normal(words(some)), np.float64)
    np.testing.assert_allclose(x, ndtri((some + 0.5) / 2**32), rtol=1e-6, atol=2e-7)
    mirrored = np.asarray(normal(words(some | np.uint32(2**31))), np.float64)
    assert np.array_equal(mirrored, -x)
    x = np.asarray(normal(words(CELLS)), np.float64)
    for power, moment, error in ((1, 0, 0), (2, 1, 1e-5), (3, 0, 0), (4, 3, 3e-4), (6, 15, 1e-2)):
        assert (x**power).mean() == pytest.approx(moment, abs=error)
    for z in (-3, -1.5, 0, 0.7, 2.5):
        assert (x < z).mean() == pytest.approx(ndtr(z), abs=2e-6)


def test_normal_of_the_stream(many: np.ndarray) -> None:
    x = np.asarray(normal(words(many)), np.float64)
    for power, moment, square in ((1, 0, 1), (2, 1, 3), (3, 0, 15), (4, 3, 105)):
        assert abs((x**power).mean() - moment) < 5 * math.sqrt((square - moment**2) / x.size)
    for z in (2, 3, 4):
        expected = 2 * x.size * ndtr(-z)
        assert expected > 100
        assert abs(np.count_nonzero(np.abs(x) > z) - expected) < 5 * math.sqrt(expected)
