"""A resumed run gives the numbers of one never interrupted; a checkpoint of another run, or a damaged one, is refused."""

import io
import json
import resource
import shutil
import zipfile

import numpy as np
import pytest

import jaxq
from jaxq.engine.checkpoint import Checkpoint
from jaxq.engine.progress import Silent

SYSTEM = jaxq.TokenPool(4, 0.8, 0.6, 3)
QUEUE = jaxq.MMc(0.7)
SHORT = {"replicas": 64, "events": 500, "warmup": 0}


class Crash(Silent):
    """Ends the process, as far as the run can tell, once there are more than so many events."""

    def __init__(self, events: float):
        self.events = events

    def update(self, progress):
        if progress.events > self.events:
            raise MemoryError("a crash")


def numbers(found):
    """What must be the same bit for bit."""
    results = found if isinstance(found, jaxq.Results) else [found]
    kept = ("events", "events_per_replica", "time", "warmup")
    return [(r.metrics, r.histograms, r.service_levels, r.flags, [r.run[name] for name in kept]) for r in results]


def total_events(found):
    return sum(r.run["events"] for r in (found if isinstance(found, jaxq.Results) else [found]))


def crash_and_resume(run, file, *crashes):
    """``run(meter=..., checkpoint=...)`` crashed at so many events, one after the other, then to its end."""
    every = {"checkpoint": file, "checkpoint_every": 1e-9}
    for events in crashes:
        with pytest.raises(MemoryError, match="a crash"):
            run(meter=Crash(events), **every)
    return run(**every)


LEVELS = {"quantiles": "own:0.5", "service_level": "own:0,2"}
RUNS = {
    "events": lambda **more: jaxq.simulate(QUEUE, events=200_000, replicas=64, **more),
    "warm-up given": lambda **more: jaxq.simulate(QUEUE, events=160_000, warmup=40_000, replicas=64, **more),
    "precision": lambda **more: jaxq.simulate(QUEUE, precision=0.004, replicas=64, **more),
    "horizon": lambda **more: jaxq.simulate(QUEUE, horizon=100_000.0, replicas=64, **more),
    "quantiles": lambda **more: jaxq.simulate(SYSTEM, events=40_000, replicas=32, **LEVELS, **more),
    "sweep": lambda **more: jaxq.sweep(QUEUE, {"arrival_rate": [0.5, 0.7]}, precision=0.006, replicas=64, **more),
    "two programs": lambda **more: jaxq.compare([QUEUE, SYSTEM], events=50_000, replicas=64, **more),
}


@pytest.fixture
def short_launches(monkeypatch):
    """Whatever a launch may take: there must be several, to be stopped between them."""
    monkeypatch.setattr("jaxq.engine.loop.LAUNCH_SECONDS", 1e-9)


@pytest.mark.parametrize("kind", RUNS)
def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path, short_launches, kind):
    """A precision run looks at itself at doubling lengths: 65 % of its events are between two looks."""
    found = RUNS[kind]()
    whole, events = numbers(found), total_events(found)
    assert numbers(crash_and_resume(RUNS[kind], tmp_path / "run.npz", 0.3 * events, 0.65 * events)) == whole
    # a run that is over is not run again
    assert numbers(RUNS[kind](checkpoint=tmp_path / "run.npz", meter=Crash(0))) == whole


def test_a_run_that_was_truncated_goes_on(tmp_path):
    file = tmp_path / "run.npz"
    options = {"precision": 1e-9, "replicas": 64}
    first = jaxq.simulate(QUEUE, max_events=8_000_000, checkpoint=file, **options)
    assert "precision_not_reached" in first.flags
    again = jaxq.simulate(QUEUE, max_events=40_000_000, checkpoint=file, **options)
    whole = jaxq.simulate(QUEUE, max_events=40_000_000, **options)
    assert again.run["events"] == whole.run["events"] > first.run["events"]
    assert numbers(again) == numbers(whole)


def test_more_precision_is_the_same_as_at_once(tmp_path):
    file = tmp_path / "run.npz"
    first = jaxq.simulate(QUEUE, precision=0.05, replicas=64, checkpoint=file)
    second = jaxq.simulate(QUEUE, precision=0.004, replicas=64, checkpoint=file)
    assert second.run["events"] > first.run["events"]
    assert numbers(second) == numbers(RUNS["precision"]())


def test_more_events_go_on_with_the_blocks_there_are(tmp_path, short_launches):
    """500 events a replica are cut into blocks of 16 observations, 5000 of their own into blocks of 128."""
    file = tmp_path / "run.npz"
    first = jaxq.simulate(QUEUE, **SHORT, checkpoint=file)
    shutil.copy(file, tmp_path / "copy.npz")

    def more(**options):
        return jaxq.simulate(QUEUE, **{**SHORT, "events": 5000}, **options)

    second = more(checkpoint=file)
    assert first.run["events_per_replica"] < 5000 <= second.run["events_per_replica"] and not second.flags
    assert numbers(crash_and_resume(more, tmp_path / "copy.npz", 0.6 * second.run["events"])) == numbers(second)


def test_speed_is_that_of_what_ran_now(tmp_path):
    file = tmp_path / "run.npz"
    first = jaxq.simulate(QUEUE, **SHORT, checkpoint=file)
    more = jaxq.simulate(QUEUE, **{**SHORT, "events": 100_000}, checkpoint=file)
    ran = more.run["events"] - first.run["events"]
    assert more.run["ns_per_event"] == pytest.approx(1e9 * more.run["seconds"] / ran)


# ---- what a checkpoint belongs to


def test_a_checkpoint_of_another_run_is_refused_before_compiling(tmp_path, monkeypatch):
    file = tmp_path / "run.npz"
    jaxq.simulate(SYSTEM, **SHORT, seed=3, checkpoint=file)
    monkeypatch.setattr("jaxq.engine.simulate.Ensemble", lambda *_, **__: pytest.fail("a run was started"))
    changes = {
        "seed": {"seed": 4},
        "replicas": {"replicas": 65},
        "quantities": {"quantiles": "own"},
    }
    for name, change in [*changes.items(), ("quantities", {"service_level": "own:1"})]:
        with pytest.raises(ValueError, match=f"checkpoint = .*belongs to a run with other {name};"):
            jaxq.simulate(SYSTEM, checkpoint=file, **{**SHORT, "seed": 3, **change})
    with pytest.raises(ValueError, match="belongs to a run with other systems, code or files;"):
        jaxq.simulate(SYSTEM.replace(phi=0.5), **SHORT, seed=3, checkpoint=file)


def own_class(rate: str = "self.rate", helper: str = "n + 1", constant: str = "1", comment: str = ""):
    """A system of a user's, from its source."""
    source = f"""
import jaxq

LIMIT = {constant}


def up(n):
    return {helper}  {comment}


class Base(jaxq.JumpProcess):
    rate: float = jaxq.positive("arrivals")

    def init(self, words):
        return 0

    def jump(self, n, k):
        return [up(n), n - LIMIT][k]

    def total_rate_bound(self):
        return 1.0 + self.rate

    def observe(self, n):
        return {{"n": n}}


class Own(Base):
    def rates(self, n):
        return {rate}, 1.0 * (n >= LIMIT)
"""
    space = {"__name__": "a_model"}
    exec(compile(source, "a_model.py", "exec"), space)
    return space["Own"](0.5)


def test_a_user_s_code_belongs_to_the_checkpoint(tmp_path):
    file = tmp_path / "run.npz"
    first = jaxq.simulate(own_class(), **SHORT, checkpoint=file)
    again = jaxq.simulate(own_class(comment="# written anew"), **SHORT, checkpoint=file)
    assert numbers(first) == numbers(again)
    for change in ({"rate": "self.rate * 0.5"}, {"helper": "n + 2"}, {"constant": "2"}):
        with pytest.raises(ValueError, match="belongs to a run with other code or files"):
            jaxq.simulate(own_class(**change), **SHORT, checkpoint=file)


def test_the_content_of_a_file_belongs_to_the_checkpoint(tmp_path):
    file, data = tmp_path / "run.npz", tmp_path / "services.txt"

    def run(values):
        data.write_text(values)
        return jaxq.simulate(jaxq.MG1(0.5, 1.0, f"empirical:{data}"), **SHORT, checkpoint=file)

    first = run("1\n2\n3\n")
    assert numbers(run("# the same\n1.0\n2\n3 # of them")) == numbers(first)
    with pytest.raises(ValueError, match="belongs to a run with other code or files"):
        run("1\n2\n9\n")


def test_the_column_of_a_file_belongs_to_the_checkpoint(tmp_path):
    """Its content, through a link too, and not that of the others beside it."""
    file, data, link = tmp_path / "run.npz", tmp_path / "data.csv", tmp_path / "link.csv"
    link.symlink_to(data)

    def run(rows, column="service"):
        data.write_text(f"id,service,gap\n{rows}")
        return jaxq.simulate(jaxq.MG1(0.5, 1.0, f"empirical:{link}#{column}"), **SHORT, checkpoint=file)

    first = run("1,5,5\n2,0,0\n")
    assert numbers(run("7,5.0,1\n8,0,9\n")) == numbers(first)
    with pytest.raises(ValueError, match="belongs to a run with other code or files"):
        run("1,5,5\n2,1,0\n")
    with pytest.raises(ValueError, match="belongs to a run with other systems"):
        run("1,5,5\n2,0,0\n", "gap")


# ---- damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a checkpoint."""
    file = tmp_path_factory.mktemp("whole") / "run.npz"
    jaxq.simulate(QUEUE, **SHORT, checkpoint=file)
    return file.read_bytes()


def arrays_of(data: bytes):
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def npz(arrays, **kind) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays, **kind)
    return out.getvalue()


def without(name):
    return lambda data: npz({k: v for k, v in arrays_of(data).items() if k != name})


def changed(name, change):
    return lambda data: npz({k: change(v) if k == name else v for k, v in arrays_of(data).items()})


def flipped(data: bytes) -> bytes:
    """One byte of the sums."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        place = file.getinfo("0/windows.npy").header_offset + 400
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def foreign_header(array):
    header = json.loads(str(array))
    return np.str_(json.dumps({**header, "question": [], "layouts": 3}))


DAMAGE = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "random": lambda data: np.random.default_rng(0).bytes(5000),
    "flipped": flipped,
    "text": lambda data: b"hello\n",
    "another npz": lambda data: npz({"x": np.arange(3)}),
    "one array": lambda data: data[data.index(b"\x93NUMPY") :],
    "pickled": lambda data: npz({"checkpoint": np.array([{"a": 1}], object)}, allow_pickle=True),
    "another header": changed("checkpoint", foreign_header),
    "header of no JSON": changed("checkpoint", lambda x: np.str_("{")),
    "no state": without("0/carry/0"),
    "no sums": without("0/windows"),
    "no place of the sums": without("0/windows_state"),
    "no length": without("0/blocks"),
    "state of another shape": changed("0/carry/0", lambda x: x[:-1]),
    "state of another kind": changed("0/carry/0", lambda x: x.astype(np.float64)),
    "sums of another shape": changed("0/windows", lambda x: x[:, :, :-1]),
    "sums of another kind": changed("0/windows", lambda x: x.astype(str)),
    "another length": changed("0/blocks", lambda x: x + 1),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path, whole, kind):
    file = tmp_path / "run.npz"
    file.write_bytes(DAMAGE[kind](whole))
    with pytest.raises(ValueError, match="checkpoint = .*(is damaged|belongs to a run)") as error:
        jaxq.simulate(QUEUE, **SHORT, checkpoint=file)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_a_result_or_a_folder_is_no_checkpoint(tmp_path):
    file = tmp_path / "result.npz"
    jaxq.simulate(QUEUE, **SHORT).save(file)
    with pytest.raises(ValueError, match="checkpoint = .*no checkpoint"):
        jaxq.simulate(QUEUE, **SHORT, checkpoint=file)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ValueError, match="checkpoint = .*is a folder"):
        jaxq.simulate(QUEUE, **SHORT, checkpoint=tmp_path / "folder.npz")


# ---- a file that cannot be written


def test_where_a_checkpoint_may_be(tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint = .*must end in \.npz"):
        jaxq.simulate(SYSTEM, **SHORT, checkpoint=tmp_path / "run.json")
    with pytest.raises(ValueError, match=r"checkpoint = .*the folder .* must exist"):
        jaxq.simulate(SYSTEM, **SHORT, checkpoint=tmp_path / "nowhere" / "run.npz")
    for every in (0, -1, None, "often", float("nan")):
        with pytest.raises(ValueError, match="checkpoint_every = .*: must be a number > 0"):
            jaxq.simulate(SYSTEM, **SHORT, checkpoint_every=every)


def test_a_run_outlives_its_checkpoint(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()

    class Removes(Silent):
        def update(self, progress):
            shutil.rmtree(folder, ignore_errors=True)

    with pytest.warns(UserWarning, match=r"checkpoint = .*: not written \(No such file .*\); the run goes on") as w:
        found = RUNS["events"](checkpoint=folder / "run.npz", checkpoint_every=1e-9, meter=Removes())
    assert len(w) == 1
    assert found.run["checkpoint"] == "not written: No such file or directory"
    assert numbers(found) == numbers(RUNS["events"]())


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    """RLIMIT_FSIZE stands for the full disk: EFBIG in the middle of the file."""
    file = tmp_path / "run.npz"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    jaxq.simulate(QUEUE, **SHORT, checkpoint=file)
    before = file.read_bytes()

    class Fills(Silent):
        def update(self, progress):
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    try:
        with pytest.warns(UserWarning, match=r"not written \(File too large\)"):
            found = jaxq.simulate(QUEUE, **{**SHORT, "events": 9000}, checkpoint=file, meter=Fills())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert found.run["checkpoint"] == "not written: File too large" and found.run["events_per_replica"] >= 9000
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_the_result_says_that_a_checkpoint_was_written(tmp_path):
    assert jaxq.simulate(QUEUE, **SHORT, checkpoint=tmp_path / "run.npz").run["checkpoint"] == "written"
    assert "checkpoint" not in jaxq.simulate(QUEUE, **SHORT).run


def test_the_file_holds_no_pickle(whole):
    assert {"checkpoint", "0/windows", "0/carry/0"} <= set(arrays_of(whole))
    assert all(array.dtype != object for array in arrays_of(whole).values())


def test_saves_are_as_far_apart_as_asked_for(tmp_path, monkeypatch):
    saves, clock = [], [0.0]
    monkeypatch.setattr("jaxq.engine.checkpoint.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("jaxq.engine.checkpoint.write_npz", lambda *_: saves.append(clock[0]))
    options = jaxq.Options(**SHORT, checkpoint=tmp_path / "run.npz", checkpoint_every=2.5)
    file = Checkpoint([[QUEUE]], 64, options)
    for clock[0] in np.arange(0.0, 10.5, 0.5):
        file.save()
    assert saves == [2.5, 5.0, 7.5, 10.0]
    clock[0] = 10.1
    file.save(now=True)
    assert saves[-1] == 10.1
