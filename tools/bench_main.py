#!/usr/bin/env python3
"""Cost of a request in CPU microseconds: postern and other proxies, side by side.

Each proxy runs one worker on one core; the load generator and the upstream share another. The
proxies take turns, round after round, so that a noisy neighbour meets all of them; what is shown are
medians of the rounds, and proportions within one run. CPU time is the scheduler's own account of the
proxy's process tree, so that it hardly depends on what else runs. Everything is on loopback, and
ends by itself.
"""

import argparse
import json
import math
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tools import bench_measure, bench_peers  # pylint: disable=wrong-import-position

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_START_SECONDS = 15


class BenchError(Exception):
    """The run makes no sense; the message says why."""


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="tools/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="--postern takes the rest of the line: further arguments of `postern run`.")
    parser.add_argument("--scenario", default=",".join(bench_peers.SCENARIOS),
                        help="of %(default)s; several with commas")
    parser.add_argument("--only", default="", metavar="NAMES",
                        help="of %s; several with commas" % ",".join(bench_peers.PEERS))
    parser.add_argument("--rounds", type=int, default=5, help="besides one to warm up (%(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of load in a round (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="kept alive (%(default)s)")
    parser.add_argument("--body", type=int, default=256, help="bytes of an answer (%(default)s)")
    parser.add_argument("--cores", default="0,1", metavar="PROXY,LOAD", help="(%(default)s)")
    parser.add_argument("--syscalls", action="store_true",
                        help="count system calls a request (strace) in a turn of its own")
    parser.add_argument("--json", metavar="FILE", help="write every round there too")
    parser.add_argument("--binary", help="the program; built from this tree by default")
    parser.add_argument("--postern", nargs=argparse.REMAINDER, default=[], metavar="ARGS")
    arguments = parser.parse_args()
    arguments.scenario = arguments.scenario.split(",")
    arguments.only = [name for name in arguments.only.split(",") if name]
    for name in arguments.scenario:
        if name not in bench_peers.SCENARIOS:
            parser.error("no such scenario: " + name)
    for name in arguments.only:
        if name not in bench_peers.PEERS:
            parser.error("no such proxy: " + name)
    if arguments.rounds < 1 or arguments.seconds < 1 or arguments.connections < 1:
        parser.error("rounds, seconds and connections are at least 1")
    arguments.cores = [int(core) for core in arguments.cores.split(",")]
    if len(arguments.cores) != 2 or not set(arguments.cores) <= os.sched_getaffinity(0):
        parser.error("--cores wants two of %s" % sorted(os.sched_getaffinity(0)))
    return arguments


def build_postern():
    subprocess.run(["tools/bz", "build", "--noshow_progress", "--ui_event_filters=-info",
                    "//tools/postern:postern"], cwd=_ROOT, check=True)
    folder = subprocess.run(["tools/bz", "info", "bazel-bin"], cwd=_ROOT, check=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
    return os.path.join(folder, "tools/postern/postern")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    """Paths of certificate, key, and both in one file."""
    certificate, key, both = (os.path.join(folder, n) for n in ("site.crt", "site.key", "site.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate],
        stderr=subprocess.DEVNULL, check=True)
    with open(both, "wb") as out:
        for part in (certificate, key):
            with open(part, "rb") as source:
                out.write(source.read())
    return certificate, key, both


class Proxy:
    """A running proxy, or upstream, pinned to a core."""

    def __init__(self, name, site, command, core):
        self.name = name
        self.site = site
        self.rounds = []
        self.syscalls = None
        self._log = os.path.join(site.folder, name + ".out")
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core)] + command, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)

    def wait_until_listening(self):
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.site.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    with open(self._log, encoding="utf-8", errors="replace") as log:
                        raise BenchError("%s does not listen:\n%s" % (self.name, log.read()[-2000:]))
                time.sleep(0.02)

    def check_answer(self):
        """One request before any is counted: what is measured must be the work that was meant."""
        if self.site.scenario == "h2":
            self._check_h2()
            return
        connection = socket.create_connection(("127.0.0.1", self.site.port), 5)
        if self.site.scenario == "tls":
            context = ssl.create_default_context(cafile=self.site.certificate)
            connection = context.wrap_socket(connection, server_hostname="localhost")
        with connection:
            connection.sendall(b"GET /bench HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while True:
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
        if not answer.startswith(b"HTTP/1.1 200") or self.site.body.encode() not in answer:
            raise BenchError("%s answers wrongly: %r" % (self.name, answer[:500]))

    def _check_h2(self):
        answer = subprocess.run(
            ["nghttp", "http://127.0.0.1:%d/bench" % self.site.port], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=10, check=False).stdout
        if self.site.body not in answer:
            raise BenchError("%s answers wrongly: %s" % (self.name, answer[:500]))

    def measure(self, arguments):
        """One round."""
        before, started = bench_measure.cpu_microseconds(self._process.pid), time.monotonic()
        load = bench_measure.generate_load(
            self.site.scenario, self.site.port, arguments.connections, arguments.seconds,
            arguments.cores[1])
        spent = bench_measure.cpu_microseconds(self._process.pid) - before
        seconds = time.monotonic() - started
        if self._process.poll() is not None:
            raise BenchError("%s has ended with %d" % (self.name, self._process.returncode))
        if load.requests == 0:
            raise BenchError("%s has answered nothing" % self.name)
        return bench_measure.Round(
            load.requests / seconds, spent / load.requests,
            bench_measure.rss_mib(self._process.pid), load)

    def count_syscalls(self, arguments):
        """System calls a request: {name: number}."""
        report = os.path.join(self.site.folder, self.name + ".strace")
        targets = [o for p in bench_measure.process_tree(self._process.pid) for o in ("-p", str(p))]
        with subprocess.Popen(["strace", "-f", "-c", "-o", report] + targets,
                              stderr=subprocess.DEVNULL) as tracer:
            load = bench_measure.generate_load(
                self.site.scenario, self.site.port, arguments.connections, 2, arguments.cores[1])
            tracer.send_signal(signal.SIGINT)
        with open(report, encoding="utf-8") as text:
            return parse_strace(text.read(), load.requests)

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def parse_strace(text, requests):
    """{system call: number a request} of `strace -c`; what is rarer than 1 in 100 is left out."""
    calls = {}
    for line in text.splitlines():
        match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", line)
        if match and match.group(2) != "total" and int(match.group(1)) >= requests / 100:
            calls[match.group(2)] = int(match.group(1)) / requests
    return calls


def table(proxies):
    """Lines of a Markdown table, cheapest first."""
    shown = {p.name: p for p in proxies}
    neighbours = [n for n in ("floor", "nginx", "haproxy", "postern-proxied") if n in shown]
    columns = (["proxy", "CPU us/request", "lowest-highest"] + ["x " + n for n in neighbours] +
               ["requests/s", "p50 ms", "p99 ms", "RSS MiB", "failed"])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for proxy in sorted(proxies, key=lambda p: bench_measure.median(p.rounds, lambda r: r.cost)):
        rounds = proxy.rounds
        costs = [r.cost for r in rounds]
        cells = [proxy.name, "%.2f" % bench_measure.median(rounds, lambda r: r.cost),
                 "%.2f-%.2f" % (min(costs), max(costs))]
        cells += ["%.2f" % bench_measure.ratio(rounds, shown[n].rounds) for n in neighbours]
        cells.append("%.0f" % bench_measure.median(rounds, lambda r: r.rate))
        for value in (lambda r: r.load.p50, lambda r: r.load.p99):
            middle = bench_measure.median(rounds, value)
            cells.append("" if math.isnan(middle) else "%.2f" % middle)
        cells.append("%.1f" % bench_measure.median(rounds, lambda r: r.rss))
        cells.append(str(sum(r.load.failed for r in rounds)))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def verdicts(scenario, proxies):
    """(holds, line) for each target that this run can judge."""
    shown = {p.name: p for p in proxies}
    for target, name, other, most in bench_peers.TARGETS:
        if target == scenario and name in shown and other in shown:
            found = bench_measure.ratio(shown[name].rounds, shown[other].rounds)
            yield found <= most, "%s: %s costs %.2f x %s; target <= %.2f: %s" % (
                scenario, name, found, other, most, "holds" if found <= most else "MISSED")


def run_scenario(scenario, arguments, postern, folder):
    """Measures one scenario and prints it; gives the proxies with their rounds."""
    body = json.dumps({"bench": "x" * max(0, arguments.body - len('{"bench": ""}'))})
    certificate, key, both = make_certificate(folder)
    servers, proxies = [], []
    try:
        def start(name, make, core, upstream_port):
            own = os.path.join(folder, scenario + "-" + name)
            os.mkdir(own)
            site = bench_peers.Site(scenario, own, free_port(), upstream_port, body, certificate, key,
                                    both, [postern] + arguments.postern)
            command = make(site)
            if command is None:
                return None
            server = Proxy(name, site, command, core)
            servers.append(server)
            server.wait_until_listening()
            return server

        upstream = start("upstream", bench_peers.upstream, arguments.cores[1], 0)
        for name, make in bench_peers.PEERS.items():
            if not arguments.only or name in arguments.only:
                proxy = start(name, make, arguments.cores[0], upstream.site.port)
                if proxy is not None:
                    proxy.check_answer()
                    proxies.append(proxy)
        for number in range(arguments.rounds + 1):
            for proxy in proxies:
                result = proxy.measure(arguments)
                if number > 0:  # The first round warms up.
                    proxy.rounds.append(result)
        if arguments.syscalls:
            for proxy in proxies:
                proxy.syscalls = proxy.count_syscalls(arguments)
    finally:
        for server in reversed(servers):
            server.stop()

    print("\n%s: %d connections, %d-byte answers, %d rounds of %d s\n" % (
        scenario, arguments.connections, len(body), arguments.rounds, arguments.seconds))
    print("\n".join(table(proxies)))
    for proxy in proxies:
        if proxy.syscalls is not None:
            print("%s: system calls a request: %s" % (proxy.name, ", ".join(
                "%s %.2f" % c for c in sorted(proxy.syscalls.items(), key=lambda c: -c[1]))))
    return proxies


def main():
    arguments = parse_arguments()
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, lambda *_: sys.exit(1))
    wanted = not arguments.only or any(n.startswith("postern") for n in arguments.only)
    postern = arguments.binary or (build_postern() if wanted else "")
    folder = tempfile.mkdtemp(prefix="postern-bench-")
    lines, results, good = [], {}, True
    try:
        for scenario in arguments.scenario:
            proxies = run_scenario(scenario, arguments, postern, folder)
            for holds, line in verdicts(scenario, proxies):
                good = good and holds
                lines.append(line)
            for proxy in proxies:
                failed = sum(r.load.failed for r in proxy.rounds)
                if failed and proxy.name.startswith("postern"):
                    good = False
                    lines.append("%s: %s failed %d requests" % (scenario, proxy.name, failed))
            results[scenario] = {
                p.name: [{"rate": r.rate, "cost": r.cost, "rss": r.rss, **vars(r.load)}
                         for r in p.rounds] for p in proxies}
    except (BenchError, subprocess.CalledProcessError, ValueError) as error:
        print("tools/bench: %s" % error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print()
    print("\n".join(lines))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
