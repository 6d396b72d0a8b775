"""The launch of every case of `benchmarks/speed.py` compiled for an H100 and an H200, without a GPU or a driver.

    pip install -e '.[gpu-compile]'
    python benchmarks/gpu_compile.py --out benchmarks/gpu_compile.json
    python benchmarks/gpu_compile.py --quantiles           # with a histogram of the first quantity that can have one

XLA compiles for a described device; ptxas and nvdisasm, which come as wheels, say what the machine code is: kernels a
launch, registers, bytes spilled, instructions an event and how many are on the integer pipe. Predicted events a second are
those of the pipe that is busiest, every cycle used: 132 processors, 1.755 GHz, 128 instructions a cycle of which 64 on the
integer pipe. What spilled registers cost is not in it: ``local`` counts their loads and stores an event. Nothing is timed
but the compilation.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

PROCESSORS, CLOCK, ISSUED, INTEGER = 132, 1.755e9, 128, 64
MEMORY = {"h100": (3352320000000, 84942979072, "NVIDIA H100 80GB HBM3")}
MEMORY["h200"] = (4800000000000, 151397597184, "NVIDIA H200 141GB HBM3e")
"""Bytes a second, bytes and the name of a device."""
TARGET = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: {0} l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: {1}
  shared_memory_per_block_optin: 232448 cuda_compute_capability {{ major: 9 }}
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
runtime_version {{ major: 12 minor: 9 patch: 0 }}
device_description_str: "{2}"
"""
REPLICAS = PROCESSORS * 512
FLOAT = ("IMAD", "FMUL", "FADD", "FFMA")
ELSEWHERE = (
    "LDG",
    "STG",
    "LDL",
    "STL",
    "LD",
    "ST",
    "LDS",
    "STS",
    "ATOM",
    "RED",
    "MUFU",
    "I2F",
    "F2I",
    "POPC",
    "FLO",
    "F2F",
)
CONTROL = ("BRA", "NOP", "EXIT", "BSSY", "BSYNC", "WARPSYNC", "CALL", "RET", "BREAK")
"""Instructions that the integer pipe does not see; what is uniform (U...) neither."""


def tool(name: str) -> str:
    """The program of that name in one of NVIDIA's wheels, or on the path."""
    places = find_spec("nvidia")
    for place in (places.submodule_search_locations or []) if places else []:
        for found in sorted(Path(place).glob(f"**/bin/{name}")):
            return str(found)
    found = shutil.which(name)
    if found is None:
        sys.exit(f"{name} was not found; install the extra gpu-compile")
    return found


def loops(sass: str) -> list[tuple[int, int, list[str]]]:
    """The loops of a listing: (first line, last line, their instructions)."""
    lines, labels, found = [], {}, []
    for text in sass.splitlines():
        if label := re.match(r"\s*(\.L_x_\d+):", text):
            labels[label[1]] = len(lines)
        elif instruction := re.match(r"\s*/\*[0-9a-f]+\*/\s+(.*?);", text):
            lines.append(instruction[1].strip())
    for i, text in enumerate(lines):
        jump = re.search(r"BRA .*`\((\.L_x_\d+)\)", text)
        if jump and labels.get(jump[1], len(lines)) < i:
            first = labels[jump[1]]
            found.append((first, i, lines[first : i + 1]))
    return found


def counted(instructions: list[str]) -> collections.Counter:
    """How many there are, and how many of them are on the integer pipe."""
    counts = collections.Counter(instructions=len(instructions))
    for text in instructions:
        name = re.sub(r"^@!?U?P\w+ ", "", text).split()[0].split(".")[0]
        counts["local"] += name in ("LDL", "STL")
        counts["integer"] += not (name in (*FLOAT, *ELSEWHERE, *CONTROL) or name.startswith("U"))
    return counts


def per_event(sass: str, stride: int, unroll: int) -> dict[str, float]:
    """Instructions an event: those of the loop over events, and its share of the loop over observations around it."""
    found = loops(sass)
    depth = {a: sum(b[0] <= a[0] and a[1] <= b[1] for b in found) for a in ((x[0], x[1]) for x in found)}
    inner = max(found, key=lambda x: (depth[x[0], x[1]], x[1] - x[0]))
    if stride == unroll or stride == 1:
        return {name: count / stride for name, count in counted(inner[2]).items()}
    around = [x for x in found if x[0] <= inner[0] and inner[1] <= x[1] and x[:2] != inner[:2]]
    outer = min(around, key=lambda x: x[1] - x[0])
    once, turn = counted(outer[2]), counted(inner[2])
    turns = stride // unroll if stride % unroll == 0 else stride
    return {name: (once[name] + (turns - 1) * turn[name]) / stride for name in once}


def compile_case(case: str, device: str, dump: Path, quantiles: bool) -> dict:
    """What the compiler makes of the launch of one case."""
    import jax
    from jax.experimental import topologies
    from speed import system_of

    from jaxq.engine.kernel.choice import choose_program
    from jaxq.engine.layout import choose_layout
    from jaxq.engine.leaves import compute_leaf
    from jaxq.engine.outline import names

    described = topologies.get_topology_desc(
        platform="cuda", target_config=TARGET.format(*MEMORY[device]), topology="1x1x1"
    )
    system = system_of(case)
    process = system.process()
    leaves, structure = jax.tree.flatten(process)
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in map(compute_leaf, leaves))
    counted = names(system, process)[1][:1] if quantiles else ()
    layout = choose_layout(process, REPLICAS, tuple(described.devices[:1]), histograms=counted)
    for old in dump.iterdir():
        old.unlink()
    began = time.perf_counter()
    chosen = choose_program(structure, shapes, (False,) * len(shapes), layout)
    seconds = time.perf_counter() - began
    (thunks,) = dump.glob("*jit_launch_device*.thunk_sequence.txt")
    kernels = len(re.findall(r"\bk(?:Custom)?Kernel\b", thunks.read_text()))
    row = {
        "case": case,
        "device": device,
        "program": chosen.program.kind,
        "quantiles": list(counted),
        "kernels": kernels,
        "compile_seconds": seconds,
    }
    if chosen.reason is not None:
        return row | {"no_kernel": chosen.reason}
    (code,) = [path for path in dump.glob("*jit_launch_device*.ptx") if ".entry" in path.read_text()]
    binary = code.with_suffix(".cubin")
    command = [tool("ptxas"), "-v", "-arch=sm_90a", str(code), "-o", str(binary)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    sass = subprocess.run([tool("nvdisasm"), "-c", str(binary)], capture_output=True, text=True, check=True).stdout
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill", said)))
    counts = per_event(sass, process.scan.stride, process.scan.unroll)
    rate = PROCESSORS * CLOCK * min(INTEGER / counts["integer"], ISSUED / counts["instructions"])
    registers = max(map(int, re.findall(r"Used (\d+) registers", said)))
    return row | {"registers": registers, "spilled_bytes": spilled, **counts, "predicted_events_per_second": rate}


def main() -> None:
    """Compile every case, print a row each, and write the figures."""
    from speed import CASES

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    parser.add_argument("--device", action="append", choices=list(MEMORY), help="default: all")
    parser.add_argument("--quantiles", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as dump:
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["XLA_FLAGS"] = f"--xla_dump_to={dump} --xla_dump_hlo_as_text"
        rows = []
        print(
            "| case | device | kernels | registers | spilled, bytes | instructions an event | on the integer pipe |",
            end="",
        )
        print(" predicted events/s | compile, s |\n|---|---|---|---|---|---|---|---|---|")
        for case in args.case or CASES:
            for device in args.device or MEMORY:
                row = compile_case(case, device, Path(dump), args.quantiles)
                rows.append(row)
                shown = [row.get("registers", ""), row.get("spilled_bytes", "")]
                shown += [f"{row[x]:.1f}" if x in row else row["no_kernel"] for x in ("instructions", "integer")]
                shown += [
                    f"{row[x]:.2g}" if x in row else "" for x in ("predicted_events_per_second", "compile_seconds")
                ]
                print(f"| {case} | {device} | {row['kernels']} | {' | '.join(map(str, shown))} |", flush=True)
    if args.out:
        import jax

        args.out.write_text(json.dumps({"jax": jax.__version__, "replicas": REPLICAS, "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
