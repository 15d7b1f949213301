"""Runs the unittest file named on the command line and writes JUnit XML for Bazel, case by case."""

import importlib.util
import os
import sys
import time
import unittest
from xml.etree import ElementTree


class _CaseResult(unittest.TextTestResult):
    """Keeps (test, seconds, outcome, text) of every case; outcome is None for a success."""

    def __init__(self, *args):
        super().__init__(*args)
        self.cases = []
        self._started = 0.0
        self._outcome = None

    def startTest(self, test):
        super().startTest(test)
        self._started = time.monotonic()
        self._outcome = None

    def stopTest(self, test):
        super().stopTest(test)
        outcome, text = self._outcome or (None, "")
        self.cases.append((test.id(), time.monotonic() - self._started, outcome, text))

    def _note(self, test, outcome, text):
        if self._outcome is None:
            self._outcome = (outcome, text)
        if not isinstance(test, unittest.TestCase):  # setUpClass or setUpModule: no case of its own
            self.cases.append((str(test), 0.0, outcome, text))

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "error", self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failure", self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failure", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._note(test, "failure", "unexpected success")


def _printable(text):
    return "".join(c if c in "\n\t" or c >= " " else "\\x%02x" % ord(c) for c in text)


def _write_xml(path, suite_name, cases):
    suite = ElementTree.Element("testsuite", name=suite_name, tests=str(len(cases)))
    for name, seconds, outcome, text in cases:
        owner, _, case_name = name.rpartition(".")
        case = ElementTree.SubElement(
            suite, "testcase", name=case_name, classname=owner, time="%.3f" % seconds)
        if outcome is not None:
            ElementTree.SubElement(case, outcome, message=_printable(text).strip()[-200:]).text = (
                _printable(text))
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main():
    path = sys.argv[1]
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)

    loader = unittest.TestLoader()
    # bazel test --test_filter
    pattern = os.environ.get("TESTBRIDGE_TEST_ONLY")
    if pattern:
        loader.testNamePatterns = [pattern if "*" in pattern else "*%s*" % pattern]
    result = unittest.TextTestRunner(
        stream=sys.stdout, verbosity=2, resultclass=_CaseResult).run(loader.loadTestsFromModule(module))
    xml = os.environ.get("XML_OUTPUT_FILE")
    if xml:
        _write_xml(xml, name, result.cases)
    if not result.cases:
        print("no test ran", file=sys.stderr)
        return 1
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
