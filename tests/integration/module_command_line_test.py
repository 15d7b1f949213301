"""What check, run and module say of filter modules: each refusal is one line that names the module,
the file and what to do (plugin-abi.md §9, §14)."""

import gzip
import json
import os
import re
import unittest

from tests.integration import module_folder
from tests.integration.module_folder import ModuleFolder, definition, probe, versioned
from tests.support import harness


class ModuleCommandTest(harness.TestCase):

    def test_says_what_a_module_is(self):
        path = ModuleFolder(self.folder).put("versioned_1")
        ran = self.run_postern("module", path, status=0)
        lines = [line.split(None, 1) for line in ran.stdout.splitlines()]
        self.assertEqual(lines[0], ["test.versioned", "1.0.0"])
        said = {line[0]: line[1] for line in lines[1:]}
        self.assertEqual(said["file"], path)
        self.assertEqual(said["digest"], module_folder.digest(module_folder.content("versioned_1")))
        self.assertEqual(said["abi"], "1.0")
        self.assertEqual(said["capabilities"], "none")
        self.assertIn("config_create, config_destroy, worker_create", said["hooks"])
        self.assertEqual(said["loads"].split(), ["here", "yes"])

    def test_json(self):
        folder = ModuleFolder(self.folder)
        good = folder.put("callout", "a.so")
        bad = folder.put("minor_1", "b.so")
        ran = self.run_postern("module", good, bad, "--json", status=3)
        first, second = json.loads(ran.stdout)
        self.assertEqual(first["name"], "test.probe")
        self.assertEqual(first["capabilities"], ["BODY", "CALLOUT"])
        self.assertEqual(first["abi"], {"major": 1, "minor": 0})
        self.assertIs(first["loads"], True)
        self.assertEqual(first["problem"], "")
        self.assertIs(second["loads"], False)
        self.assertEqual(second["abi"], {"major": 1, "minor": 1})
        self.assertIn("needs minor 1", second["problem"])
        self.assertEqual(second["hooks"], [])

    def test_why_not(self):
        folder = ModuleFolder(self.folder)
        for name, reason in (("wrong_magic", "POSTERN_ABI_MAGIC"), ("major_2", "major 2"),
                             ("undefined", "postern_function_that_no_host_has"),
                             ("init_fails", "postern_module_init failed"),
                             ("body_undeclared", "POSTERN_CAP_BODY"),
                             ("throws", "threw an exception"),
                             ("no_manifest", "is no filter module")):
            with self.subTest(name):
                ran = self.run_postern("module", folder.put(name), status=3)
                line = [l for l in ran.stdout.splitlines() if "loads here" in l][0]
                self.assertIn("no: ", line)
                self.assertIn(reason, line)

    def test_exit_codes(self):
        self.assertIn("an argument is missing", self.run_postern("module", status=2).stderr)
        self.assertIn("--no-such", self.run_postern("module", "a.so", "--no-such", status=2).stderr)
        missing = os.path.join(self.folder, "missing.so")
        self.assertIn("No such file", self.run_postern("module", missing, status=1).stdout)
        self.assertIn("usage", self.run_postern("module", "--help", status=0).stdout)


class CheckTest(harness.TestCase):
    """check asks the modules, as a gateway would."""

    def setUp(self):
        super().setUp()
        self.modules = ModuleFolder(self.folder)

    def check(self, status, document, *args):
        path = self.write("api.json", document)
        return self.run_postern("check", path, "--modules", self.modules.path, *args, status=status)

    def test_accepted(self):
        self.modules.put("versioned_1")
        self.check(0, definition([versioned()]))

    def test_every_objection_of_every_scope(self):
        self.modules.put("versioned_1")
        ran = self.check(3, definition([versioned("bad")], {
            "get": [{"name": "v", "config": {"no": "text"}}], "put": None}))
        lines = [l for l in ran.stderr.splitlines() if l.startswith("postern: ")]
        self.assertEqual([re.sub(r"\(/.*/api\.json:\d+:\d+ ", "(", l) for l in lines], [
            'postern: whole API, filter "v" (test.versioned 1.0.0): text: is bad '
            "(/x-postern-filters/0/config)",
            'postern: GET /x, filter "v" (test.versioned 1.0.0): text: is needed '
            "(/paths/~1x/get/x-postern-filters/0/config)",
            'postern: GET /x, filter "v" (test.versioned 1.0.0): nothing else is known '
            "(/paths/~1x/get/x-postern-filters/0/config)",
        ])
        report = json.loads(self.check(3, definition([versioned("bad")]), "--json").stdout)
        self.assertIs(report["ok"], False)
        self.assertEqual(len(report["problems"]), 1)
        self.assertIn('whole API, filter "v" (test.versioned 1.0.0): text: is bad (',
                      report["problems"][0])

    def test_misspelt_and_misplaced(self):
        self.modules.put("versioned_1")
        for document, place, reason in (
                (definition([versioned(onFailre="deny")]), "/x-postern-filters/0/onFailre",
                 "Did you mean onFailure?"),
                (definition([versioned(point="requests")]), "/x-postern-filters/0/point",
                 'There is no point "requests"'),
                (definition(**{"x-postern-filtrs": [versioned()]}), "/x-postern-filtrs",
                 "Did you mean x-postern-filters?"),
                (definition([versioned()], {"get": [{"name": "w", "disabled": True}]}),
                 "/paths/~1x/get/x-postern-filters/0", 'There is no filter "w" above this'),
        ):
            with self.subTest(place):
                ran = self.check(3, document)
                lines = ran.stdout.splitlines()
                at = next(i for i, line in enumerate(lines) if line.endswith(place))
                self.assertRegex(lines[at], r"refused +\S+/api.json:\d+:\d+ ")
                self.assertIn(reason, lines[at + 1])

    def test_a_module_that_is_not_there(self):
        ran = self.check(3, definition([versioned()]))
        self.assertIn('module "test.versioned": no file of this name is in %s' % self.modules.path,
                      ran.stderr)
        self.assertIn("--modules", ran.stderr)

    def test_pins(self):
        path = self.modules.put("versioned_1")
        good = module_folder.digest(module_folder.content("versioned_1"))

        def pinned(**pin):
            return definition([versioned()], **{"x-postern-modules": {"test.versioned": pin}})

        self.check(0, pinned(digest="sha256:" + good, version="1.0.0", capabilities=[]))
        ran = self.check(3, pinned(digest="0" * 64))
        self.assertIn("no file has the digest 000", ran.stderr)
        self.assertIn("%s has %s" % (path, good), ran.stderr)
        self.assertIn("version 2.0.0 is asked for", self.check(3, pinned(version="2.0.0")).stderr)
        self.modules.put("callout")
        ran = self.check(3, definition([probe()], **{
            "x-postern-modules": {"test.probe": {"capabilities": ["BODY"]}}}))
        self.assertIn("does not grant CALLOUT", ran.stderr)

    def test_options(self):
        path = self.write("api.json", definition())
        ran = self.run_postern("check", path, "--modules", path, status=2)
        self.assertIn("--modules %s: is no folder" % path, ran.stderr)


class RunTest(harness.TestCase):
    """A gateway that cannot have its modules does not start; one in force stays."""

    def setUp(self):
        super().setUp()
        self.modules = ModuleFolder(self.folder)

    def test_bad_modules_at_start(self):
        path = self.write("api.json", definition([probe()]))
        for name, reason in (("wrong_magic", "no file of this name"), ("major_2", "major 2"),
                             ("minor_1", "needs minor 1"), ("lies_long", "4096 bytes"),
                             ("undefined", "undefined symbol"), ("init_fails", "status -7"),
                             ("no_table", "no table of hooks"), ("body_undeclared", "CAP_BODY"),
                             ("bad_capability", "does not know")):
            with self.subTest(name):
                file = self.modules.put(name)
                ran = self.run_postern("run", path, "--modules", self.modules.path, "--listen",
                                       "127.0.0.1:0", "--admin", "none", status=3)
                lines = [l for l in ran.stderr.splitlines() if l.startswith("postern: ")]
                self.assertEqual(len(lines), 1, ran.stderr)
                self.assertIn('module "test.probe"', lines[0])
                self.assertIn(file, lines[0])
                self.assertIn(reason, lines[0])
                self.assertNotIn('"listening","name":"http"', ran.stderr)

    def test_others_may_not_write_modules(self):
        file = self.modules.put("good")
        path = self.write("api.json", definition([probe()]))
        os.chmod(file, 0o777)
        ran = self.run_postern("run", path, "--modules", self.modules.path, "--listen",
                               "127.0.0.1:0", "--admin", "none", status=3)
        self.assertIn("the file can be written by others than its owner: chmod go-w", ran.stderr)

    def test_a_refused_change_leaves_what_is_in_force(self):
        self.modules.put("versioned_1", "v.so")
        path = self.write("api.json", definition([versioned("one")]))
        gateway = self.start_postern(path, "--modules", self.modules.path)

        def serves_as_before(refusal):
            gateway.wait_for_event(refusal)
            response = gateway.request("GET", "/x")
            self.assertEqual((response.status, response.value("x-version"), response.value("x-text")),
                             (200, "1.0.0", "one"))

        # A configuration that its module refuses.
        self.write("api.json", definition([versioned("bad")]))
        serves_as_before("definition_refused")
        # A file that is no module, and one that is for another gateway.
        self.write("api.json", definition([versioned("two")]))
        gateway.wait_for_log(lambda log: gateway.events("snapshot_active")[1:], "the second")
        self.write("api.json", definition([versioned("one")]))
        gateway.wait_for_event("snapshot_active", 3)
        self.modules.put(b"#!/bin/sh\n", "v.so")
        serves_as_before("reload_refused")
        self.modules.put("versioned_2", "v.so")
        gateway.wait_for_event("snapshot_active", 4)
        self.assertEqual(gateway.request("GET", "/x").value("x-version"), "2.0.0")

    def test_metrics(self):
        self.modules.put("versioned_1")
        gateway = self.start_postern(self.write("api.json", definition([versioned()])), "--modules",
                                     self.modules.path)
        metrics = gateway.metrics()
        # With postern.transform, which the mock's method takes.
        self.assertEqual(metrics["postern_modules_mapped"], 2)
        self.assertEqual(metrics["postern_modules_mapped_limit"], 64)
        self.assertEqual(metrics["postern_module_loads_total"], 2)
        self.assertEqual(metrics["postern_module_refusals_total"], 0)
        self.assertEqual(metrics['postern_module_info{module="test.versioned",version="1.0.0",'
                                 'digest="%s"}' % module_folder.digest(
                                     module_folder.content("versioned_1"))], 1)

    def test_scopes_reach_the_request(self):
        self.modules.put("versioned_1")
        gateway = self.start_postern(
            self.write("api.json", definition([versioned("api")], {
                "get": None,
                "put": [{"name": "v", "config": {"text": "put"}}],
                "delete": [{"name": "v", "disabled": True}],
            })), "--modules", self.modules.path)
        self.assertEqual(gateway.request("GET", "/x").value("x-text"), "api")
        self.assertEqual(gateway.request("PUT", "/x").value("x-text"), "put")
        self.assertIsNone(gateway.request("DELETE", "/x").value("x-text"))
        # Refusals of the router pass the API's filters too.
        response = gateway.request("GET", "/none")
        self.assertEqual((response.status, response.value("x-text")), (403, "api"))


class InstalledModulesTest(harness.TestCase):
    """The filters that come with the program are found beside it."""

    def test_compression_needs_no_option(self):
        document = definition(**{"x-amazon-apigateway-minimum-compression-size": 1})
        operation = document["paths"]["/x"]["get"]
        operation["x-amazon-apigateway-integration"]["responses"]["default"]["responseTemplates"] = {
            "application/json": json.dumps({"text": "the same " * 50})}
        gateway = self.start_postern(self.write("api.json", document))
        plain = gateway.request("GET", "/x")
        self.assertIsNone(plain.value("content-encoding"))
        packed = gateway.request("GET", "/x", [("Accept-Encoding", "gzip")])
        self.assertEqual(packed.value("content-encoding"), "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)


if __name__ == "__main__":
    unittest.main()
