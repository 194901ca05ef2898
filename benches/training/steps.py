"""Times steps of training in resnetc and in PyTorch, in turns, and prints a table."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
SPECS = ROOT / "docs" / "degradation" / "specs"
ROWS = {"resnet20": 128, "resnet56": 128, "resnet18": 8, "resnet50": 8}
LAYOUTS = {"contiguous": [], "channels last": ["--channels-last"]}


class Torch:
    """A process that runs steps when it is asked to."""

    def __init__(self, network, batch, threads, layout):
        command = [sys.executable, HERE / "torch_step.py", network, "--batch", str(batch), "--threads", str(threads)]
        self.process = subprocess.Popen(
            command + LAYOUTS[layout], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the process of PyTorch ended")
        return line.split()

    def steps(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        milliseconds, peak = self.answer()
        return float(milliseconds), int(peak)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def resnetc(program, network, batch, threads, count, options):
    spec = SPECS / f"{network}.toml"
    command = [program, "bench", spec if spec.exists() else network, "--train", "--batch", str(batch)]
    command += ["--threads", str(threads), "--warmup", "2", "--iters", str(count), "--json"]
    done = subprocess.run(command + options, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    return report["median_ms"], report["peak_bytes"], report["isa"]


def row(args, network, threads):
    batch = ROWS[network]
    count = args.steps
    peers = {layout: Torch(network, batch, threads, layout) for layout in LAYOUTS}
    own, others = [], {layout: [] for layout in LAYOUTS}
    for _ in range(args.rounds):
        for layout, peer in peers.items():
            own.append(resnetc(args.resnetc, network, batch, threads, count, args.options))
            others[layout].append(peer.steps(count))
    for peer in peers.values():
        peer.end()
    # Of each layout, the ratio to the process right before it.
    places = {layout: list(range(i, len(own), len(LAYOUTS))) for i, layout in enumerate(LAYOUTS)}
    median = {layout: statistics.median(ms for ms, _ in found) for layout, found in others.items()}
    best = min(median, key=median.get)
    ratio = statistics.median(o[0] / own[at][0] for o, at in zip(others[best], places[best]))
    memory = [max(peak for _, peak in others[best]), max(peak for _, peak, _ in own)]
    times = f"{median[best]:.0f} ({best}) | {statistics.median(ms for ms, *_ in own):.0f}"
    print(
        f"| {network}, batch {batch} | {threads} | {times} | {ratio:.2f} | {memory[0] / 1e6:.0f} | {memory[1] / 1e6:.0f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resnetc", default=ROOT / "target" / "release" / "resnetc")
    parser.add_argument("--networks", default=",".join(ROWS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="steps of a process in a round")
    parser.add_argument("options", nargs="*", help="options for resnetc, after --")
    args = parser.parse_args()
    print("| step | threads | PyTorch, ms | resnetc, ms | ratio | PyTorch, MB | resnetc, MB |")
    print("|---|---|---|---|---|---|---|")
    for network in args.networks.split(","):
        for threads in args.threads.split(","):
            row(args, network, int(threads))


main()
