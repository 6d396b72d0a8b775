"""`jaxq merge`, as it is typed."""

import json

QUEUE = ["run", "mmc", "--arrival-rate", "0.8", "--events", "2e3", "--warmup", "500", "--quiet"]


def test_parts_are_run_and_merged(jaxq, tmp_path):
    first, second, whole = (str(tmp_path / f"{name}.npz") for name in ("first", "second", "whole"))
    assert jaxq(*QUEUE, "--replica-range", "0:34", "--checkpoint", first)[0] == 0
    assert jaxq(*QUEUE, "--replica-range", "34:64", "--checkpoint", second)[0] == 0
    code, out, err = jaxq("merge", second, first, "--out", whole)
    assert (code, err) == (0, "")
    assert out == f"{whole}: replicas 0 to 63; for the result: --replicas 64 --checkpoint {whole}\n"
    code, out, _ = jaxq(*QUEUE, "--replicas", "64", "--checkpoint", whole, "--json")
    assert code == 0
    assert json.loads(out)["metrics"] == json.loads(jaxq(*QUEUE, "--replicas", "64", "--json")[1])["metrics"]
    code, out, _ = jaxq("merge", second, whole.replace("whole", "nowhere"), "--out", whole)
    assert code == 2 and out == ""


def test_what_is_wrong_is_one_line(jaxq, tmp_path):
    for args, message in (
        ((*QUEUE, "--replica-range", "5:5", "--checkpoint", "a.npz"), "replica_range = 5:5: must be a:b"),
        ((*QUEUE, "--replica-range", "0:50"), "replica_range = 0:50: needs a checkpoint"),
        (("merge", str(tmp_path / "a.npz"), "--out", "b.npz"), "parts = "),
        (("merge", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--out", "b.json"), "out = b.json: must"),
    ):
        code, out, err = jaxq(*args)
        assert code == 2 and out == "" and err.startswith(f"error: {message}") and err.count("\n") == 1
