"""What the benchmark reads off its tools, and what it makes of it."""

import math
import os
import unittest

from tools import bench_main, bench_measure, bench_peers

_WRK = """Running 4s test @ http://127.0.0.1:18081/bench
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.05ms    1.21ms  23.21ms   91.31%
  Latency Distribution
     50%  830.00us
     75%    1.20ms
     90%    2.20ms
     99%    1.10s
  130123 requests in 4.01s, 55.71MB read
"""

_H2LOAD = """finished in 4.00s, 41256.00 req/s, 12.34MB/s
requests: 165056 total, 165088 started, 165024 done, %d succeeded, %d failed, 0 errored, 0 timeout
status codes: %d 2xx, 0 3xx, %d 4xx, 0 5xx
"""

_STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.00    0.400000           4    200000      1000 read
 40.00    0.300000           4    200000           writev
  1.00    0.000100           4       400           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.700100           4    400400      1000 total
"""


def rounds(*costs):
    return [bench_measure.Round(1000.0, cost, 10.0, bench_measure.Load(1000, 0)) for cost in costs]


class Proxy:

    def __init__(self, name, *costs):
        self.name = name
        self.rounds = rounds(*costs)


class ParseTest(unittest.TestCase):

    def test_wrk(self):
        load = bench_measure.parse_wrk(_WRK)
        self.assertEqual((load.requests, load.failed), (130123, 0))
        self.assertAlmostEqual(load.p50, 0.83)
        self.assertAlmostEqual(load.p99, 1100.0)

    def test_wrk_failures(self):
        text = _WRK + "  Socket errors: connect 1, read 2, write 3, timeout 4\n" \
                      "  Non-2xx or 3xx responses: 5\n"
        self.assertEqual(bench_measure.parse_wrk(text).failed, 15)

    def test_h2load(self):
        load = bench_measure.parse_h2load(_H2LOAD % (165024, 0, 165024, 0))
        self.assertEqual((load.requests, load.failed), (165024, 0))
        self.assertTrue(math.isnan(load.p50))

    def test_h2load_failures(self):
        # Answers of another class than 2xx are no successes.
        load = bench_measure.parse_h2load(_H2LOAD % (1000, 10, 900, 100))
        self.assertEqual((load.requests, load.failed), (900, 110))

    def test_no_result_is_an_error(self):
        for parse in (bench_measure.parse_wrk, bench_measure.parse_h2load):
            with self.assertRaisesRegex(ValueError, "unable to connect"):
                parse("unable to connect")

    def test_strace(self):
        calls = bench_main.parse_strace(_STRACE, 100000)
        self.assertEqual(calls, {"read": 2.0, "writev": 2.0})


class JudgementTest(unittest.TestCase):

    def test_ratio_is_taken_round_by_round(self):
        # The second round was slow for both; medians of each alone would say 10/12.
        self.assertAlmostEqual(
            bench_measure.ratio(rounds(9, 30, 10), rounds(10, 40, 12)), 10 / 12)
        self.assertAlmostEqual(bench_measure.ratio(rounds(9, 36, 12), rounds(10, 40, 20)), 0.9)

    def test_verdicts(self):
        proxies = [Proxy("nginx", 10, 10, 10), Proxy("postern", 9.4, 9.6, 9.4)]
        self.assertEqual([holds for holds, _ in bench_main.verdicts("plain", proxies)], [True])
        proxies[1] = Proxy("postern", 9.6, 9.6, 9.4)
        self.assertEqual([holds for holds, _ in bench_main.verdicts("plain", proxies)], [False])
        self.assertEqual(list(bench_main.verdicts("h2", proxies)), [])

    def test_table_is_sorted_by_cost(self):
        lines = bench_main.table([Proxy("nginx", 10, 12, 11), Proxy("postern", 9, 8, 10)])
        self.assertTrue(lines[2].startswith("| postern | 9.00 | 8.00-10.00 | 0.90 | "), lines[2])
        self.assertTrue(lines[3].startswith("| nginx | 11.00 | 10.00-12.00 | 1.00 | "), lines[3])


class MeasureTest(unittest.TestCase):

    def test_own_process(self):
        before = bench_measure.cpu_microseconds(os.getpid())
        sum(range(1000000))
        self.assertGreater(bench_measure.cpu_microseconds(os.getpid()), before)
        self.assertGreater(bench_measure.rss_mib(os.getpid()), 1)
        self.assertIn(os.getpid(), bench_measure.process_tree(os.getppid()))

    def test_every_target_names_peers(self):
        for scenario, name, other, _ in bench_peers.TARGETS:
            self.assertIn(scenario, bench_peers.SCENARIOS)
            self.assertIn(name, bench_peers.PEERS)
            self.assertIn(other, bench_peers.PEERS)


if __name__ == "__main__":
    unittest.main()
