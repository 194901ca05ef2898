"""The description of the machine for the tables."""

import os
import platform
import subprocess
import sys


def cpu():
    """The name of the CPU, and how many cores may be used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cpu_name()}, {cores} cores available"


def cpu_name():
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines() if ":" in line)
    except OSError:
        return platform.processor() or platform.machine()
    known = {key.strip(): value.strip() for key, value in fields.items()}
    # Arm's cores have no names there, only the numbers of who made them and which they are.
    keys = ("cpu family", "model", "CPU implementer", "CPU part")
    numbers = [f"{key} {known[key]}" for key in keys if key in known]
    return f"{known.get('model name', platform.machine())} ({', '.join(numbers)})"


def system():
    return f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
