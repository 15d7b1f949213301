"""What a run of the tests is summed up to: nothing that went wrong may be counted as fine."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from tools import count_tests

PASSED = '<testsuites><testsuite><testcase name="A" classname="S" status="run"/>%s</testsuite></testsuites>'


class CountTestsTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def report(self, text):
        path = os.path.join(self.folder.name, "a report %d.xml" % len(os.listdir(self.folder.name)))
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return "file://" + path.replace(" ", "%20")

    def result(self, status, report=None, label="//a:b_test", attempt=1):
        outputs = [{"name": "test.xml", "uri": self.report(report)}] if report else []
        return json.dumps({
            "id": {"testResult": {"label": label, "run": 1, "shard": 1, "attempt": attempt}},
            "testResult": {"status": status, "testActionOutput": outputs},
        })

    def test_counts_cases(self):
        report = PASSED % '<testcase name="B"/><testcase name="C" status="notrun"/>' \
                          '<testcase name="D"><skipped/></testcase>'
        self.assertEqual(count_tests.count_events([self.result("PASSED", report)]), (2, []))

    def test_names_failed_cases(self):
        report = PASSED % '<testcase name="B" classname="S"><failure/></testcase>' \
                          '<testcase name="C" classname="S"><error/></testcase>'
        self.assertEqual(
            count_tests.count_events([self.result("FAILED", report)]),
            (1, ["//a:b_test S.B", "//a:b_test S.C"]))

    def test_failed_case_counts_though_the_target_passed(self):
        report = PASSED % '<testcase name="B" classname="S"><failure/></testcase>'
        self.assertEqual(
            count_tests.count_events([self.result("PASSED", report)]), (1, ["//a:b_test S.B"]))

    def test_failure_without_a_failed_case(self):
        # As when a sanitizer reports at exit, after all cases have passed.
        self.assertEqual(
            count_tests.count_events([self.result("FAILED", PASSED % "")]),
            (1, ["//a:b_test failed"]))

    def test_timeout_without_report(self):
        self.assertEqual(
            count_tests.count_events([self.result("TIMEOUT")]), (0, ["//a:b_test timeout"]))

    def test_broken_report(self):
        passed, failures = count_tests.count_events([self.result("PASSED", "<testsuites>")])
        self.assertEqual(passed, 0)
        self.assertEqual(len(failures), 1)

    def test_last_attempt_decides(self):
        lines = [self.result("FAILED", PASSED % "<testcase name='B'><failure/></testcase>"),
                 self.result("PASSED", PASSED % "<testcase name='B'/>", attempt=2)]
        self.assertEqual(count_tests.count_events(lines), (2, []))

    def test_target_that_does_not_build(self):
        line = json.dumps({"id": {"targetCompleted": {"label": "//a:lib"}}, "completed": {}})
        self.assertEqual(count_tests.count_events([line]), (0, ["//a:lib did not build"]))

    def run_tool(self, lines, status):
        path = os.path.join(self.folder.name, "events")
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(lines))
        ran = subprocess.run(
            [sys.executable, count_tests.__file__, path, str(status)],
            stdout=subprocess.PIPE, text=True, check=False)
        return ran.returncode, ran.stdout.splitlines()

    def test_last_line_and_status(self):
        good = self.result("PASSED", PASSED % "")
        self.assertEqual(self.run_tool([good], 0), (0, ["1 passed, 0 failed"]))
        bad = self.result("TIMEOUT", label="//a:c_test")
        self.assertEqual(
            self.run_tool([good, bad], 3),
            (1, ["FAILED: //a:c_test timeout", "1 passed, 1 failed"]))

    def test_bazel_failure_without_event(self):
        # As when a package does not load.
        self.assertEqual(
            self.run_tool([self.result("PASSED", PASSED % "")], 1),
            (1, ["FAILED: bazel ended with 1", "1 passed, 1 failed"]))

    def test_nothing_ran(self):
        self.assertEqual(self.run_tool([], 0), (1, ["no test ran", "0 passed, 0 failed"]))


if __name__ == "__main__":
    unittest.main()
