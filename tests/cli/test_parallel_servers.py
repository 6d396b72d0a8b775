"""Networks on the command line: files, tables, names in results, and what is said of wrong input."""

import json

import pytest

from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network
from tests.cli.refused import changed, check_refused

RUN = ["run", "parallel-servers"]
PATIENT = """
arrival_rates = [3, 1]
service_rates = [[1, 1], [0, 1]]
servers = [1, 2]
"""
NETWORK = """
name = "bank"
classes = ["cash", "loan"]
pools = ["desk", "office"]
arrival_rates = [3, 1]
service_rates = [[1, 1], [0, 0.5]]
servers = [2, 3]
abandonment_rates = [0.5, 1]
"""
BAD_NETWORK = {
    "unserved class": (("[0, 0.5]", "[0, 0]"), ["service_rates", "no pool serves class loan", "rate > 0"]),
    "idle pool": (("[[1, 1], [0, 0.5]]", "[[1, 0], [1, 0]]"), ["service_rates", "pool office serves no class"]),
    "negative rate": (("[3, 1]", "[3, -1]"), ["arrival_rates[2] = -1", ">= 0"]),
    "not a number": (("[3, 1]", "[nan, 1]"), ["arrival_rates[1] = nan", ">= 0"]),
    "infinite patience": (("[0.5, 1]", "[0.5, inf]"), ["abandonment_rates[2] = inf", ">= 0"]),
    "negative speed": (("[0, 0.5]", "[0, -0.5]"), ["service_rates row 2 (class loan), pool office = -0.5", ">= 0"]),
    "short row": (("[0, 0.5]", "[0.5]"), ["service_rates row 2 (class loan) = [0.5]", "2 numbers", "desk, office"]),
    "missing row": (("[[1, 1], [0, 0.5]]", "[[1, 1]]"), ["service_rates: must be 2 rows", "cash, loan", "not 1"]),
    "word for a rate": (("[0, 0.5]", '[0, "fast"]'), ["service_rates row 2 (class loan)", "numbers"]),
    "one name": (('["cash", "loan"]', '["cash"]'), ["classes = cash", "2 names"]),
    "same names": (('["cash", "loan"]', '["cash", "cash"]'), ["classes = cash", "different names"]),
    "no server": (("servers = [2, 3]", "servers = [2, 0]"), ["servers[2] = 0", "> 0"]),
    "half a server": (("servers = [2, 3]", "servers = [2.5, 3]"), ["servers[1] = 2.5", "a whole number"]),
    "one patience": (("[0.5, 1]", "[0.5]"), ["abandonment_rates = [0.5]", "2 numbers", "cash, loan"]),
    "misspelt key": (("servers =", "severs ="), ["network: unknown key severs", "did you mean servers?"]),
    "missing key": (("servers = [2, 3]", ""), ["network: servers is missing"]),
    "malformed": (("servers = [2, 3]", "servers = [2, 3"), ["network = ", ".toml: "]),
    "names that run together": (
        (NETWORK, PATIENT + 'classes = ["a", "a_b"]\npools = ["b_c", "c"]'),
        ["a_b_c", "one class and pool"],
    ),
}
BAD = {
    "unknown network": (["--network", "x-modle"], ["network = x-modle", "x-model-slow", "did you mean x-model?"]),
    "no such file": (["--network", "none.toml"], ["network = none.toml", "No such file"]),
    "no priorities": (["--policy", "priority"], ["priorities", "needs an order of the classes"]),
    "broken priorities": (["--policy", "priority", "--priorities", "2 >> 1"], ["priorities = 2 >> 1", "such as 2 > 1"]),
    "missing class": (
        ["--policy", "priority", "--priorities", "2"],
        ["priorities = 2", "1 must have a place", "pool 3"],
    ),
    "stranger": (["--policy", "priority", "--priorities", "3: 2 > 7; 4: 1"], ["priorities = ", "1, 2 once for pool 3"]),
    "class twice": (["--policy", "priority", "--priorities", "2 > 1 > 2"], ["priorities = 2 > 1 > 2", "once"]),
    "missing pool": (
        ["--policy", "priority", "--priorities", "3: 2 > 1"],
        ["priorities = 3: 2 > 1", "order for pool 4"],
    ),
    "no such pool": (["--policy", "priority", "--priorities", "5: 2 > 1"], ["there is no pool 5", "3, 4"]),
    "names that the policy ignores": (["--policy", "lqfs", "--priorities", "7 > 8"], ["priorities = 7 > 8"]),
    "no such preference": (["--preferences", "3 > 5"], ["preferences = 3 > 5", "3, 4 once for class 1"]),
    "circle": (
        ["--policy", "priority-preemptive", "--priorities", "3: 2>1; 4: 1>2", "--preferences", "1: 3>4; 2: 4>3"],
        ["preferences", "cycle: ", "1 at 3"],
    ),
    "patience for c-mu-theta": (["--network", "n"], ["policy = c-mu-theta", "abandonment_rates of class 1 = 0", "> 0"]),
    "unknown policy": (["--policy", "cmu"], ["policy = cmu", "c-mu-theta"]),
    "negative scale": (["--scale", "-1"], ["scale = -1", "> 0"]),
    "no server left": (["--scale", "0.001"], ["scale = 0.001", "pool 3", "1 to 2**24 servers, not 0"]),
    "short staffing": (["--network", "n", "--policy", "lqfs", "--staffing", "1"], ["staffing = 1.0", "2 numbers"]),
    "long weights": (
        ["--policy", "softmax-preemptive", "--weights", "1,2,3"],
        ["weights = [1.0, 2.0, 3.0]", "2 numbers, one a class (1, 2)"],
    ),
    "long staffing": (["--staffing", "1,2,3"], ["staffing = [1.0, 2.0, 3.0]", "2 numbers, one a pool (3, 4)"]),
    "overload": (
        ["--network", "v", "--policy", "lqfs", "--staffing", "-3"],
        ["network = v: has load 1.", "never abandon (1, 2)", "< 1"],
    ),
    "eta of zero": (["--eta", "0"], ["eta = 0", "> 0"]),
    "changes without rates": (["--changes", "20"], ["changes = '20'", "such as 20: 300,500"]),
    "changes of one class": (["--changes", "20: 300"], ["changes = 20: 300", "2 rates >= 0 at time 20"]),
    "negative change": (["--changes", "20: 300,-5"], ["changes = 20: 300,-5", "2 rates >= 0"]),
    "changes backwards": (["--changes", "20: 1,1; 10: 1,2"], ["changes = ", "time 2 must be > 20, not 10"]),
    "everybody gone": (["--changes", "20: 0,0"], ["network = x-model", "an arrival rate > 0"]),
    "a sweep of networks": (["--network", "x,x-model"], ["network = x,x-model", "must be one of"]),
}


@pytest.mark.parametrize("kind", BAD_NETWORK)
def test_bad_networks_are_one_line(jaxq, tmp_path, kind):
    change, words = BAD_NETWORK[kind]
    check_refused(jaxq(*RUN, "--network", changed(NETWORK, tmp_path, change)), words)


@pytest.mark.parametrize("kind", BAD)
def test_bad_options_are_one_line(jaxq, kind):
    args, words = BAD[kind]
    check_refused(jaxq(*RUN, *args), words)


def rebuilt(data):
    return ParallelServers(**data["parameters"])


def test_a_network_from_a_file_is_in_the_results_as_a_whole(jaxq, tmp_path, short):
    path, out = tmp_path / "network.toml", tmp_path / "out.json"
    path.write_text(NETWORK)
    code, text, _ = jaxq(*RUN, "--network", str(path), *short, "--out", str(out))
    assert code == 0 and "network=bank" in text and "queue_cash" in text and "busy_loan_office" in text
    assert "service_rates" not in text
    data = json.loads(out.read_text())
    assert data["parameters"]["network"]["service_rates"] == [[1, 1], [0, 0.5]]
    again = rebuilt(data)
    assert again.network.to_dict() == ParallelServers(network=str(path)).network.to_dict()
    assert again.parameters() == data["parameters"]


def test_a_table_in_an_experiment_file(jaxq, tmp_path, short):
    path = tmp_path / "experiment.toml"
    table = "[parameters.network]" + NETWORK
    path.write_text('system = "parallel-servers"\n[parameters]\npolicy = "lqfs"\n' + table)
    code, out, _ = jaxq("run", str(path), *short, "--json")
    data = json.loads(out)
    assert code == 0 and rebuilt(data).network.classes == ("cash", "loan")
    assert jaxq("run", str(path), "--help").code == 0
    path.write_text(path.read_text().replace("[3, 1]", "[3, -1]"))
    code, _, err = jaxq("run", str(path))
    assert code == 2 and err.count("\n") == 1 and str(path) in err and "network: arrival_rates[2] = -1" in err
    path.write_text('system = "parallel-servers"\n[parameters]\nnetwork = 3\nchanges = {a = 1}')
    check_refused(jaxq("run", str(path)), [str(path), "network = 3: must be text or a table"])
    check_refused(jaxq("run", str(path), "--network", "x"), [str(path), "changes = {'a': 1}: must be text ("])


def test_named_networks_stay_names_and_texts_can_be_read_again():
    system = ParallelServers(
        policy="priority", priorities="3: 2 > 1; 4: 1 > 2", changes="20.125: 0.1,0.123456789012; 1e7: 3,4", scale=2
    )
    found = system.parameters()
    assert found["network"] == "x-model"
    again = ParallelServers(**{name: str(x) if name in ("priorities", "changes") else x for name, x in found.items()})
    assert again.changes == system.changes and again.priorities == system.priorities and again.network is system.network


def test_networks_are_compared_by_name(jaxq, tmp_path, short):
    path = tmp_path / "experiment.toml"
    tables = "".join(
        f'{{name = "{name}", arrival_rates = [{rate}], service_rates = [[1]], servers = [2], abandonment_rates = [1]}},'
        for name, rate in (("quiet", 1), ("busy", 3))
    )
    path.write_text(f'system = "parallel-servers"\n[compare]\nnetwork = [{tables}]\n')
    code, out, _ = jaxq("compare", str(path), *short, "--plot", str(tmp_path / "x.png"))
    assert code == 0 and "network=quiet" in out and "network=busy" in out and "service_rates" not in out


def test_a_table_needs_no_name():
    table = Network([1], [[1]], [2], [1]).to_dict()
    assert ParallelServers(network=table).network.to_dict() == table
