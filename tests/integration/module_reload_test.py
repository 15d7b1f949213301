"""A module's file is replaced under load: old streams end on old code, new ones start on new code,
no request fails, states are handed over within one file and destroyed in time (plugin-abi.md §8).
The module ends the process when it is called with anything that has been destroyed."""

import unittest

from tests.integration import module_folder
from tests.integration.module_folder import ModuleFolder, definition, versioned
from tests.support import harness, http1, load

_OWN = 1  # postern.transform, which the mock's method takes


class ModuleReloadTest(harness.TestCase):

    def start(self, *args, text="one"):
        self.modules = ModuleFolder(self.folder)
        self.modules.put("versioned_1", "v.so")
        path = self.write("api.json", definition([versioned(text)]))
        return self.start_postern(path, "--modules", self.modules.path, *args)

    def test_12_versions_under_load_fail_no_request(self):
        gateway = self.start("--workers", "2")
        with load.Load(gateway.address(), connections=32,
                       request=http1.encode_request(target="/x")).start() as clients:
            clients.wait_for(200)
            for number in range(12):
                # Each a content of its own: what is behind the last segment is not mapped.
                version = 2 - number % 2
                self.modules.put(
                    module_folder.content("versioned_%d" % version) + b"\0" * (number + 1), "v.so")
                gateway.wait_for_event("snapshot_active", number + 2)
                response = gateway.request("GET", "/x")
                self.assertEqual(response.value("x-version"), "%d.0.0" % version)
                self.assertEqual(response.value("x-generation"), "0")  # another file's state is not ours
                clients.wait_for(clients.answered + 200)
            clients.finish()
            self.assertEqual(clients.broken, [])
            self.assertEqual(set(clients.statuses), {200})
            self.assertEqual(clients.answered, clients.sent)
        metrics = gateway.metrics()
        self.assertEqual(metrics["postern_modules_mapped"], 13 + _OWN)
        self.assertEqual(gateway.stop(), 0)

    def test_configurations_under_load_hand_states_over(self):
        gateway = self.start("--workers", "1")
        with load.Load(gateway.address(), connections=16,
                       request=http1.encode_request(target="/x")).start() as clients:
            clients.wait_for(100)
            for number in range(5):
                self.write("api.json", definition([versioned("text-%d" % number)]))
                gateway.wait_for_event("snapshot_active", number + 2)
                response = gateway.request("GET", "/x")
                self.assertEqual(response.value("x-text"), "text-%d" % number)
                self.assertEqual(response.value("x-generation"), str(number + 1))
                clients.wait_for(clients.answered + 100)
            clients.finish()
            self.assertEqual(clients.broken, [])
            self.assertEqual(set(clients.statuses), {200})
        self.assertEqual(gateway.metrics()["postern_modules_mapped"], 1 + _OWN)

    def test_too_many_versions_ask_for_a_restart(self):
        gateway = self.start("--max-modules", str(2 + _OWN))
        self.modules.put("versioned_2", "v.so")
        gateway.wait_for_event("snapshot_active", 2)
        self.modules.put(module_folder.content("versioned_1") + b"\0", "v.so")
        reason = gateway.wait_for_event("reload_refused")["reason"]
        self.assertIn("cannot be loaded beside %d others" % (2 + _OWN), reason)
        self.assertIn("restart the gateway", reason)
        self.assertEqual(gateway.request("GET", "/x").value("x-version"), "2.0.0")
        # What is mapped already can still be had.
        self.modules.put("versioned_1", "v.so")
        gateway.wait_for_event("snapshot_active", 3)
        self.assertEqual(gateway.request("GET", "/x").value("x-version"), "1.0.0")


if __name__ == "__main__":
    unittest.main()
