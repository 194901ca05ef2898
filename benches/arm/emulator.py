"""Programs for 64-bit Arm on another machine: a folder with what they need of Debian, and QEMU, which runs them."""

import dataclasses
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(os.path.dirname(HERE), "peers")
#: Python, and the libraries that it and ONNX Runtime are linked with.
DEBIAN = """libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libssl3 libbz2-1.0 liblzma5 libcrypt1 libuuid1
    python3.11-minimal libpython3.11-minimal libpython3.11-stdlib""".split()
WHEELS = ("onnxruntime", "numpy")
#: The Debian packages of the programs that are called.
TOOLS = {
    "qemu-aarch64": "qemu-user",
    "cc": "gcc",
    "aarch64-linux-gnu-objdump": "binutils-aarch64-linux-gnu",
    "apt-get": "apt",
    "dpkg": "dpkg",
    "llvm-mca-22": "llvm-22",
}


class Problem(Exception):
    """Why there is no measurement, and what to do."""


@dataclasses.dataclass
class Cpu:
    """A CPU as programs see it: instructions, and what Linux says about it."""

    #: The value of QEMU's option -cpu.
    qemu: str
    #: Arm's number of the core, from which libraries derive its name.
    part: str
    l1_kb: int
    l2_kb: int


#: QEMU 7.2 knows the first two by name. The others are its "max", which has everything up to Armv9, with their length
#: of vectors; only "max" itself has SME.
CPUS = {
    "cortex-a72": Cpu("cortex-a72", "0xd08", 32, 1024),
    "neoverse-n1": Cpu("neoverse-n1", "0xd0c", 64, 1024),
    "neoverse-v1": Cpu("max,sme=off,sve-max-vq=2", "0xd40", 64, 1024),
    "neoverse-v2": Cpu("max,sme=off,sve-max-vq=1", "0xd4f", 64, 2048),
    "max": Cpu("max", "0xd4f", 64, 2048),
}


def require(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        packages = " ".join(TOOLS[tool] for tool in missing)
        raise Problem(f"{', '.join(missing)}: not found; on Debian: apt-get install {packages}")


def call(command, **options):
    """Runs a process to its end and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise Problem(f"{' '.join(command)}\nended with code {done.returncode}: " + "\n".join(lines))
    return done.stdout


def versions():
    """The versions of Python packages that benches/peers measures."""
    with open(os.path.join(PEERS, "requirements.txt"), encoding="utf-8") as file:
        return dict(line.strip().split("==") for line in file if "==" in line)


class Emulator:
    """A folder with an Arm system: `root` for Debian, `site` for Python packages, and the plugin that counts."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.root, self.site = self.path("root"), self.path("site")
        self.plugin = self.path("instructions.so")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def prepare(self):
        """Downloads and builds what is missing."""
        require("qemu-aarch64", "cc", "aarch64-linux-gnu-objdump", "apt-get", "dpkg")
        os.makedirs(self.folder, exist_ok=True)
        self.fill(self.root, self.unpack_debian)
        self.fill(self.site, self.unpack_wheels)
        source = os.path.join(HERE, "instructions.c")
        call(["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", self.plugin, source])

    def fill(self, target, unpack):
        """Fills a folder, unless it was filled before; a folder half filled is never left under its name."""
        if os.path.exists(target):
            return
        print(f"downloading for {target}", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            filled = os.path.join(work, "filled")
            os.mkdir(filled)
            unpack(work, filled)
            os.rename(filled, target)

    def unpack_debian(self, work, target):
        if "arm64" not in call(["dpkg", "--print-foreign-architectures"]).split():
            raise Problem("apt-get knows no packages for arm64; run: dpkg --add-architecture arm64 && apt-get update")
        call(["apt-get", "download", *(f"{package}:arm64" for package in DEBIAN)], cwd=work)
        for package in glob.glob(os.path.join(work, "*.deb")):
            call(["dpkg", "-x", package, target])

    def unpack_wheels(self, work, target):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", work]
        command += ["--implementation", "cp", "--python-version", "3.11"]
        for libc in ("2_17", "2_27", "2_28"):
            command += ["--platform", f"manylinux_{libc}_aarch64"]
        call(command + [f"{name}=={versions()[name]}" for name in WHEELS])
        for wheel in glob.glob(os.path.join(work, "*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(target)

    def describe(self, cpu):
        """Lets programs read about the emulated CPU, not about this machine: QEMU opens files of `root` first."""
        cpuinfo = ["processor\t: 0", "CPU implementer\t: 0x41", "CPU architecture: 8", "CPU variant\t: 0x1"]
        self.write("proc/cpuinfo", "\n".join([*cpuinfo, f"CPU part\t: {cpu.part}", "CPU revision\t: 0", "", ""]))
        system = "sys/devices/system/cpu"
        for name in ("possible", "present", "online"):
            self.write(f"{system}/{name}", "0\n")
        caches = [("1", "Data", cpu.l1_kb), ("1", "Instruction", cpu.l1_kb), ("2", "Unified", cpu.l2_kb)]
        for index, (level, kind, kb) in enumerate(caches):
            facts = {"level": level, "type": kind, "size": f"{kb}K", "shared_cpu_list": "0", "coherency_line_size": "64"}
            for name, value in facts.items():
                self.write(f"{system}/cpu0/cache/index{index}/{name}", value + "\n")

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, cpu, command, blocks=None):
        """Runs a program, and counts its blocks of code in a file, if one is given."""
        self.describe(cpu)
        plugin = ["-plugin", f"{self.plugin},out={blocks}"] if blocks else []
        return call(["qemu-aarch64", "-cpu", cpu.qemu, *plugin, "-L", self.root, *command])

    def python(self, *arguments):
        """The command for Python: nothing that differs from run to run, and no threads but its own."""
        environment = {
            "PYTHONHOME": os.path.join(self.root, "usr"),
            "PYTHONPATH": self.site,
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            # NumPy's threads spin, and ONNX Runtime's send reports of its use over the network.
            "OPENBLAS_NUM_THREADS": "1",
            "ORT_DISABLE_TELEMETRY": "1",
            "HOME": self.folder,
        }
        settings = [part for name, value in environment.items() for part in ("-E", f"{name}={value}")]
        return [*settings, os.path.join(self.root, "usr/bin/python3.11"), *arguments]
