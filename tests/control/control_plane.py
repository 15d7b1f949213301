"""A control plane and sidecars as processes, for tests."""

import json
import os
import time

from tests.support import harness, http1


class TestCase(harness.TestCase):

    def start_control(self, *args, store="control.db", **kwargs):
        """Starts a control plane on a port of the kernel's choice, or on that of the one before."""
        port = getattr(self, "control_port", 0)
        control = harness.Postern(
            "control", "--store", os.path.join(self.folder, store), "--listen",
            "127.0.0.1:%d" % port, "--admin", "127.0.0.1:0", *args, **kwargs)
        self.addCleanup(self._end, control)
        self.control_port = control.address("control")[1]
        self.control_address = "127.0.0.1:%d" % self.control_port
        return control

    def start_sidecar(self, name, *args, group="default", ready=True, **kwargs):
        sidecar = harness.Postern(
            "sidecar", "--control", self.control_address, "--group", group, "--node-id", name,
            "--state", os.path.join(self.folder, "state-" + name), "--listen", "127.0.0.1:0",
            "--admin", "127.0.0.1:0", *args, **kwargs)
        self.addCleanup(self._end, sidecar)
        if ready:
            sidecar.wait_until_ready()
        return sidecar

    def command(self, name, *args, status=0):
        """Runs a command against the control plane."""
        return self.run_postern(name, *args, "--control", self.control_address, status=status)

    def deploy(self, upstream, *args, title="proxy", name="proxy.json", status=0, to=None):
        """Deploys a definition that passes everything on; then sidecar `to` has it."""
        path = self.write(name, harness.proxy_definition(upstream.url, title=title))
        ran = self.command("deploy", path, *args, status=status)
        if to is not None:
            # The command does not wait for one that is only about to connect.
            to.wait_until_ready()
        return ran

    def keep(self, upstream):
        """Leaves a sidecar s that has kept a configuration, and ended, like its control plane."""
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(upstream, to=sidecar)
        sidecar.stop()
        control.kill()

    def stages(self, *args):
        return json.loads(self.command("stages", "--json", *args).stdout)

    def wait_until(self, condition, what):
        deadline = time.monotonic() + http1.TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("waited in vain for " + what)
            time.sleep(0.02)

    def configuration(self, sidecar):
        """What /ready says of where a sidecar's configuration comes from."""
        return json.loads(sidecar.admin("/ready").body)["configuration"]

    def applied(self, stage="prod"):
        """How many sidecars have the version in force that a stage's group should have."""
        found, = [s for s in self.stages()["stages"] if s["name"] == stage]
        return found["applied"]
