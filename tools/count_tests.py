#!/usr/bin/env python3
"""Counts the test cases of a `bazel test` from its build events (--build_event_json_file).

Prints what failed, then `N passed, N failed`. A target that did not build, timed out or failed
without naming a case counts as one failed case; skipped cases count as neither. The second argument
is bazel's exit status: a failure that no event shows counts too. Exits with 1 if anything failed or
nothing ran.
"""

import json
import sys
import urllib.parse
from xml.etree import ElementTree


def count_report(path):
    """(cases that passed, names of those that failed) of one JUnit report."""
    passed, failed = 0, []
    for case in ElementTree.parse(path).iter("testcase"):
        name = ".".join(filter(None, [case.get("classname"), case.get("name")]))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is None and case.get("status") != "notrun":
            passed += 1
    return passed, failed


def count_attempt(label, result, outputs):
    """As count_report, for one run of one target; a failure always has a name."""
    report = outputs.get("test.xml")
    passed, failed = 0, []
    if report:
        try:
            passed, failed = count_report(report)
        except (OSError, ElementTree.ParseError) as error:
            failed = ["report: %s" % error]
    if result == "PASSED" and not failed:
        # A report without cases is no proof of anything.
        return passed, []
    failed = failed or [result.lower()]
    return passed, ["%s %s" % (label, name) for name in failed]


def count_events(lines):
    """(cases that passed, failures) of a whole run."""
    passed, failures = 0, []
    attempts = {}  # (target, run, shard): the last attempt decides
    for line in lines:
        event = json.loads(line)
        identity = event.get("id", {})
        if "testResult" in identity and "testResult" in event:
            key = identity["testResult"]
            attempts[key["label"], key.get("run"), key.get("shard")] = event["testResult"]
        elif "targetCompleted" in identity and not event.get("completed", {}).get("success"):
            failures.append("%s did not build" % identity["targetCompleted"]["label"])
    for (label, _, _), result in sorted(attempts.items(), key=lambda item: item[0][0]):
        outputs = {
            output["name"]: urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
            for output in result.get("testActionOutput", [])
            if "uri" in output
        }
        ok, bad = count_attempt(label, result["status"], outputs)
        passed += ok
        failures += bad
    return passed, failures


def main():
    with open(sys.argv[1], encoding="utf-8") as events:
        passed, failures = count_events(line for line in events if line.strip())
    status = int(sys.argv[2])
    if status and not failures:
        failures = ["bazel ended with %d" % status]
    for failure in failures:
        print("FAILED: " + failure)
    if not passed and not failures:
        print("no test ran")
    print("%d passed, %d failed" % (passed, len(failures)))
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
