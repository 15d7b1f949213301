"""What tools/bench reads off: CPU time and memory of a process tree, and what a load generator
reports."""

import dataclasses
import math
import os
import re
import statistics
import subprocess


def process_tree(pid):
    """A process and all below it."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in _tasks(pid):
            try:
                with open("/proc/%d/task/%s/children" % (pid, task), encoding="ascii") as children:
                    todo += map(int, children.read().split())
            except OSError:
                pass
    return found


def _tasks(pid):
    try:
        return os.listdir("/proc/%d/task" % pid)
    except OSError:
        return []


def cpu_microseconds(pid):
    """CPU time of a process tree so far, from the scheduler, which counts nanoseconds."""
    total = 0
    for process in process_tree(pid):
        for task in _tasks(process):
            try:
                with open("/proc/%d/task/%s/schedstat" % (process, task), encoding="ascii") as stat:
                    total += int(stat.read().split()[0])
            except OSError:
                pass
    return total / 1000


def rss_mib(pid):
    """Resident memory of a process tree."""
    total = 0
    for process in process_tree(pid):
        try:
            with open("/proc/%d/status" % process, encoding="ascii") as status:
                match = re.search(r"VmRSS:\s+(\d+) kB", status.read())
        except OSError:
            continue
        total += int(match.group(1)) if match else 0
    return total / 1024


@dataclasses.dataclass
class Load:
    """What a load generator did: times in milliseconds, NaN where it does not say."""

    requests: int
    failed: int
    p50: float = math.nan
    p99: float = math.nan


_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def parse_wrk(text):
    requests = re.search(r"(\d+) requests in ", text)
    if not requests:
        raise ValueError("no result from wrk:\n" + text)
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    for errors in re.findall(r"Socket errors: (.*)", text):
        failed += sum(map(int, re.findall(r"\d+", errors)))

    def percentile(percent):
        match = re.search(r"^\s+%d%%\s+([\d.]+)(us|ms|s|m)\b" % percent, text, re.M)
        return float(match.group(1)) * _UNITS[match.group(2)] if match else math.nan

    return Load(int(requests.group(1)), failed, percentile(50), percentile(99))


def parse_h2load(text):
    match = re.search(
        r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, "
        r"(\d+) timeout", text)
    status = re.search(r"status codes: (\d+) 2xx", text)
    if not match or not status:
        raise ValueError("no result from h2load:\n" + text)
    succeeded, *failed = map(int, match.groups())
    good = int(status.group(1))
    # Errored and timed out requests are among the failed ones.
    return Load(good, failed[0] + max(0, succeeded - good))


def generate_load(scenario, port, connections, seconds, core):
    """Runs a load generator against a port, on one core, and gives its Load."""
    url = "%s://127.0.0.1:%d/bench" % ("https" if scenario == "tls" else "http", port)
    if scenario == "h2":
        # As many requests under way, eight on a connection.
        command = ["h2load", "-t1", "-c%d" % max(1, connections // 8), "-m8", "-D%d" % seconds]
        parse = parse_h2load
    else:
        command = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency"]
        parse = parse_wrk
    ran = subprocess.run(
        ["taskset", "-c", str(core)] + command + [url], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds + 60)
    return parse(ran.stdout)


@dataclasses.dataclass
class Round:
    """One turn of one proxy."""

    rate: float  # requests a second
    cost: float  # CPU microseconds a request
    rss: float  # MiB at the end
    load: Load


def median(rounds, value):
    return statistics.median(value(r) for r in rounds)


def ratio(rounds, others):
    """Cost in proportion to another's: the median over the rounds, each with its own neighbour."""
    return statistics.median(r.cost / o.cost for r, o in zip(rounds, others))
