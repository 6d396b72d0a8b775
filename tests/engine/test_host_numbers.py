"""Numbers in every form that Python has for them; what is none is refused in one sentence that names the field."""

import datetime
import operator
from decimal import Decimal
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.host_numbers import host_numbers


class Series:
    """As one of pandas: an index that a sequence does not have, and `to_numpy`."""

    def __init__(self, values, dtype=None):
        self._values = np.asarray(values, dtype)
        self.shape, self.dtype = self._values.shape, self._values.dtype

    def __len__(self):
        return len(self._values)

    def __array__(self, dtype=None, copy=None):
        return self._values

    def to_numpy(self):
        return self._values

    def __str__(self):
        return "0    1\n1    2\ndtype: float64"


class DataFrame(Series):
    """As one of pandas."""

    @property
    def columns(self):
        return list("abcdefgh"[: self.shape[1]])


class Tensor:
    """As one of other libraries: only ``__array__``."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1, 2], np.float32)


SCALARS = [
    Decimal("0.5"),
    Fraction(1, 2),
    np.array(0.5),
    np.array(Decimal("0.5")),
    np.float16(0.5),
    np.array(0.5, np.float32),
    Series(0.5),
    jnp.float32(0.5),
]


@pytest.mark.parametrize("value", SCALARS, ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}")
def test_scalars(value):
    assert jaxq.MMc(value).arrival_rate == 0.5
    assert jaxq.MG1(0.25, value, "gamma:2").service_rate == 0.5


def test_whole_scalars():
    for value in (Decimal(3), np.array(3), np.array(3.0), np.int8(3), Fraction(6, 2)):
        servers = jaxq.MMc(0.5, 1.0, value).servers
        assert servers == 3 and isinstance(servers, np.int64)
        assert jaxq.GGc(0.5, 1.0, value).servers == 3  # a static one
    assert jaxq.Options(events=np.array(7), precision=Decimal("0.5"), seed=np.array(2)).events == 7
    of_jax = jaxq.Options(events=jnp.int32(7), precision=jnp.float32(0.5), seed=jnp.int32(2))
    assert (of_jax.events, of_jax.precision, of_jax.seed) == (7, 0.5, 2)


LISTS = [
    [1, 2],
    (1.0, Decimal(2)),
    [Fraction(1), 2],
    range(1, 3),
    np.array([1, 2], np.uint8),
    np.array([Decimal(1), 2], object),
    Series([1, 2]),
    Series([1, 2], object),
    DataFrame([[1], [2]]),
    Tensor(),
]


@pytest.mark.parametrize("value", LISTS, ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}")
def test_lists(value):
    """A field that may be a list, a law, a trace, a network and times of paths take the same."""
    found = jaxq.TokenPool(2, value, 0.5, service_rate=9.0).arrival_rate
    assert isinstance(found, np.ndarray) and found.dtype == np.float64 and found.tolist() == [1, 2]
    assert jaxq.Empirical(value).values == jaxq.Trace(value).times == (1.0, 2.0)
    assert jaxq.Network(value, np.ones((2, 1)), [3]).arrival_rates.tolist() == [1, 2]
    assert jaxq.paths(jaxq.MMc(0.5), value, replicas=4).times.tolist() == [1, 2]


def test_arrays_of_jax():
    assert jaxq.Empirical(jnp.array([1.0, 2.0])).values == (1.0, 2.0) == jaxq.Trace(jnp.array([1.0, 2.0])).times


def test_a_table_may_be_a_matrix():
    rates = DataFrame([[1.0, 2.0], [0.0, 3.0]])
    assert jaxq.Network([1, 1], rates, [3, 3]).service_rates.tolist() == [[1, 2], [0, 3]]


DATE = np.datetime64("2024-01-01T08:00")
NO_NUMBERS = {
    "text": ("0.5", "arrival_rate = '0.5': must be a number > 0"),
    "a date-time": (DATE, "arrival_rate = 2024-01-01T08:00: must be a number > 0"),
    "a date-time to the nanosecond": (DATE.astype("M8[ns]"), "arrival_rate = 2024-01-01T08:00:00.000000000: must be"),
    "a date-time of Python": (datetime.datetime(2024, 1, 1), "arrival_rate = 2024-01-01 00:00:00: must be a number"),
    "a duration": (np.timedelta64(5, "s"), "arrival_rate = 5 seconds: must be a number > 0"),
    "an array of a date-time": (np.array(DATE), "arrival_rate = 2024-01-01T08:00: must be a number > 0"),
    "an array of text": (np.array("0.5"), "arrival_rate = '0.5': must be a number > 0"),
    "decimal nan": (Decimal("nan"), "arrival_rate = nan: must be a number > 0"),
    "a table": (DataFrame([[0.5, 0.5]]), "arrival_rate = [[0.5, 0.5]]: must be a number > 0"),
    "a list": (Series([0.5, 0.6]), "arrival_rate = [0.5, 0.6]: must be a number > 0"),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_what_is_no_number(kind):
    value, words = NO_NUMBERS[kind]
    for make in (jaxq.MMc, jaxq.GG1):
        with pytest.raises(ValueError) as error:
            make(value)
        assert str(error.value).startswith(words) and "\n" not in str(error.value)


NO_LISTS = {
    "text": ["0.5", "0.6"],
    "numbers and text": [0.5, "0.6"],
    "date-times": np.array([DATE, DATE + np.timedelta64(1, "m")]),
    "durations": np.array([1, 2], "m8[s]"),
    "date-times in a column": Series([DATE, DATE + np.timedelta64(1, "m")]),
    "truth values": np.array([True, False]),
    "complex": np.array([1j, 2j]),
    "a table": DataFrame([[0.5, 0.6], [1, 2]]),
    "a matrix": [[0.5, 0.6], [1, 2]],
    "a cube": np.ones((2, 1, 1)),
    "uneven": [[1], [1, 2]],
    "a gap": Series([1.0, None], object),
    "nothing that is one": object(),
    "a word": "soon",
}


@pytest.mark.parametrize("kind", NO_LISTS)
def test_what_is_no_list_of_numbers(kind):
    value = NO_LISTS[kind]
    for name, make in {
        "arrival_rate": lambda: jaxq.TokenPool(2, value, 0.5, service_rate=9.0),
        "empirical values": lambda: jaxq.Empirical(value),
        "trace times": lambda: jaxq.Trace(value),
        "arrival_rates": lambda: jaxq.Network(value, np.ones((2, 1)), [3]),
        "times": lambda: jaxq.paths(jaxq.MMc(0.5), value, replicas=4),
    }.items():
        with pytest.raises(ValueError) as error:
            make()
        text = str(error.value)
        assert text.startswith(f"{name} = ") and ": must be " in text and "\n" not in text, text


@pytest.mark.parametrize("name", ["horizon", "precision", "time_limit", "level", "events", "replicas", "batch"])
@pytest.mark.parametrize("value", ["0.5", DATE, np.timedelta64(1, "s"), Series([1.0, 2.0])])
def test_options(name, value):
    with pytest.raises(ValueError, match=rf"^{name} = .*: must be a .*number") as error:
        jaxq.Options(**{name: value})
    assert (repr(value) in str(error.value)) == isinstance(value, str)


def test_a_long_value_is_quoted_in_part():
    with pytest.raises(ValueError, match=r"^arrival_rate = \[0\.5, 0\.5.*\.\.\.: must be") as error:
        jaxq.MMc([0.5] * 10_000)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "value", [None, "x", True, np.True_, b"1", 3, 0.5, {}, {1, 2}, jaxq.MMc, operator.add, object()]
)
def test_the_rest_is_left_to_the_rules(value):
    assert host_numbers(value) is value
