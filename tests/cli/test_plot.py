"""`jaxq plot` draws what was saved."""


def test_a_saved_run_and_a_saved_sweep(jaxq, short, tmp_path):
    run, sweep, figure = tmp_path / "run.json", tmp_path / "sweep.npz", tmp_path / "figure.png"
    assert jaxq("run", "mmc", "--arrival-rate", "0.5", *short, "--quiet", "--out", str(run))[0] == 0
    assert jaxq("sweep", "mmc", "--arrival-rate", "0.3,0.5", *short, "--quiet", "--out", str(sweep))[0] == 0
    for args in ([run], [sweep], [sweep, "--metric", "queue_length"]):
        assert jaxq("plot", *map(str, args), "--out", str(figure)) == (0, "", "")
        assert figure.read_bytes()[:4] == b"\x89PNG"
        figure.unlink()
    for args, message in (
        ([run, "--metric", "queue_length"], "metric = queue_length: is for a sweep or a comparison"),
        ([sweep, "--metric", "queue"], "metric = queue: must be one of number_in_system, queue_length"),
        ([tmp_path / "nowhere.json"], "result = "),
        ([figure], f"{figure}"),
    ):
        code, out, err = jaxq("plot", *map(str, args), "--out", str(tmp_path / "other.png"))
        assert code == 2 and out == "" and message in err and err.count("\n") == 1
    assert jaxq("plot", str(run), "--out", "figure.txt")[0] == 2
