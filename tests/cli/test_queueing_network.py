"""Open networks on the command line: names, files, tables, results, and what is said of wrong input."""

import json

import pytest

import jaxq as package
from tests.cli.refused import changed, check_refused

RUN = ["run", "queueing-network"]
SHOP = """
name = "shop"
classes = ["cut", "paint", "repair"]
station_names = ["saw", "booth"]
arrival_rates = [0.5, 0, 0]
service_rates = [1, 0.8, 2]
stations = [1, 2, 1]
routing = [[0, 1, 0], [0, 0, 0.2], [0, 1, 0]]
holding_costs = [1, 2, 1]
"""
BAD_NETWORK = {
    "more than all": (
        ("[0, 0, 0.2]", "[0, 0.9, 0.2]"),
        ["routing row 2 (class paint): must sum to at most 1, not 1.1"],
    ),
    "no way out": (
        ("[0, 0, 0.2]", "[0, 0, 1]"),
        ["routing: must lead out in the end: from class cut, paint, repair nobody ever leaves"],
    ),
    "negative probability": (("0.2]", "-0.2]"), ["routing row 2 (class paint), class repair = -0.2", ">= 0"]),
    "short row": (("[0, 0, 0.2]", "[0, 0.2]"), ["routing row 2 (class paint) = [0", "3 numbers, one a class"]),
    "missing row": ((", [0, 1, 0]]", "]"), ["routing: must be 3 rows, one a class (cut, paint, repair), not 2"]),
    "no such station": (
        ("stations = [1, 2, 1]", "stations = [1, 3, 1]\nservers = [1, 1]"),
        ["stations[2] = 3", ">= 1 and <= 2"],
    ),
    "station 0": (("stations = [1, 2, 1]", "stations = [0, 2, 1]"), ["stations[1] = 0", ">= 1"]),
    "half a station": (("stations = [1, 2, 1]", "stations = [1, 1.5, 1]"), ["stations[2] = 1.5", "whole number"]),
    "empty station": (
        ("stations = [1, 2, 1]", "stations = [1, 2, 1]\nservers = [1, 1, 1]"),
        ["station_names", "3 names"],
    ),
    "idle station": (("stations = [1, 2, 1]", "stations = [2, 2, 2]"), ["stations = ", "also at saw"]),
    "no server": (("stations = [1", "servers = [1, 0]\nstations = [1"), ["servers[2] = 0", "> 0"]),
    "half a server": (("stations = [1", "servers = [1, 1.5]\nstations = [1"), ["servers[2] = 1.5", "whole number"]),
    "rate of zero": (("[1, 0.8, 2]", "[1, 0, 2]"), ["service_rates[2] = 0", "> 0"]),
    "two rates": (
        ("[1, 0.8, 2]", "[1, 0.8]"),
        ["service_rates = [1.0, 0.8]", "3 numbers, one a class (cut, paint, repair)"],
    ),
    "negative arrivals": (("[0.5, 0, 0]", "[0.5, -1, 0]"), ["arrival_rates[2] = -1", ">= 0"]),
    "the name of all": (('"cut"', '"in_system"'), ["classes = in_system", "another name"]),
    "one name": (('"cut", "paint", "repair"', '"cut"'), ["classes = cut", "3 names"]),
    "misspelt key": (("stations =", "station ="), ["network: unknown key station", "did you mean stations?"]),
    "missing key": (("stations = [1, 2, 1]", ""), ["network: stations is missing", "service_rates and stations"]),
    "nobody": (("[0.5, 0, 0]", "[0, 0, 0]"), ["network = shop: must have an arrival rate > 0 (nobody arrives)"]),
    "overload": (
        ("[0.5, 0, 0]", "[0.7, 0, 0]"),
        ["has utilisation 1.09375 at station booth: must be < 1 (no stationary regime under any policy)"],
    ),
}
BAD = {
    "unknown network": (["--network", "criscross"], ["network = criscross", "lu-kumar", "did you mean criss-cross?"]),
    "overload by load": (["--load", "1"], ["load = 1", "utilisation 1 at station 1", "< 1"]),
    "no load": (["--load", "0"], ["load = 0", "> 0"]),
    "no priorities": (["--policy", "priority"], ["priorities", "order of the classes at each station"]),
    "missing class": (["--priorities", "1"], ["priorities = 1", "3 must have a place", "station 1"]),
    "missing station": (
        ["--network", "lu-kumar", "--priorities", "1: 4 > 1"],
        ["priorities = 1: 4 > 1", "order for station 2, of 2, 3"],
    ),
    "no such station": (["--priorities", "3: 1 > 2"], ["there is no station 3", "1, 2"]),
    "one rate": (["--service-rates", "2"], ["service_rates = 2", "3 numbers, one a class (1, 2, 3)"]),
    "slow servers": (["--service-rates", "1,1,1"], ["network = criss-cross", "utilisation 1.8 at station 1"]),
    "unknown policy": (["--policy", "fcfs"], ["policy = fcfs", "sharing", "max-pressure"]),
}


@pytest.mark.parametrize("kind", BAD_NETWORK)
def test_bad_networks_are_one_line(jaxq, tmp_path, kind):
    change, words = BAD_NETWORK[kind]
    check_refused(jaxq(*RUN, "--network", changed(SHOP, tmp_path, change)), words)


@pytest.mark.parametrize("kind", BAD)
def test_bad_options_are_one_line(jaxq, kind):
    args, words = BAD[kind]
    check_refused(jaxq(*RUN, *args), words)


def test_a_network_from_a_file_can_be_made_again_from_its_result(jaxq, tmp_path, short):
    path, out = tmp_path / "shop.toml", tmp_path / "out.json"
    path.write_text(SHOP)
    code, text, _ = jaxq(*RUN, "--network", str(path), "--policy", "c-mu", *short, "--out", str(out))
    assert code == 0 and "network=shop" in text and "number_paint" in text and "utilisation_booth" in text
    data = json.loads(out.read_text())
    again = package.QueueingNetwork(**data["parameters"])
    assert again.network.to_dict() == package.QueueingNetwork(str(path)).network.to_dict()
    assert again.parameters() == data["parameters"]


def test_theory_and_tuning_on_the_command_line(jaxq):
    code, out, _ = jaxq(
        "theory", "queueing-network", "--network", "re-reentrant-2", "--policy", "last-buffer", "--json"
    )
    theory = json.loads(out)["theory"]
    assert code == 0 and theory["stable"]["value"] is True and theory["bottleneck"]["value"] == ["1", "2"]
    options = ["--network", "tandem", "--parameter", "service_rates", "--events", "2000", "--warmup", "500"]
    code, out, _ = jaxq("tune", "queueing-network", *options, "--replicas", "64", "--json", "--quiet")
    best = json.loads(out)["parameters"]["best"]["service_rates"]
    assert code == 0 and best == pytest.approx([0.9, 0.9], abs=1e-3)  # equal costs and arrivals: an equal share
