"""What an orchestrator does with a process: signals, PID 1, another user, a read-only root."""

import os
import signal
import subprocess
import unittest

from tests.support import harness


class ProcessTest(harness.TestCase):

    def wrapped(self, *command):
        """A gateway started by another program."""
        upstream = self.start_upstream()
        path = self.write("proxy.json", harness.proxy_definition(upstream.url))
        os.chmod(self.folder, 0o755)
        script = self.write("start", "#!/bin/sh\nexec %s %s \"$@\"\n" % (
            " ".join(command), harness.binary()))
        os.chmod(script, 0o755)
        original = os.environ["POSTERN_BINARY"]
        os.environ["POSTERN_BINARY"] = script
        self.addCleanup(os.environ.__setitem__, "POSTERN_BINARY", original)
        return self.start_postern(path)

    def may(self, *command):
        """Skips a test where the machine does not allow what it needs."""
        try:
            done = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=10)
        except OSError as error:
            self.skipTest(str(error))
        if done.returncode != 0:
            self.skipTest(done.stderr.decode().strip())

    def test_sighup_reads_the_definition_again(self):
        gateway = self.start_proxy(self.start_upstream())
        gateway.signal(signal.SIGHUP)
        gateway.wait_for_event("snapshot_active", 2)
        self.assertEqual(gateway.request().body, b"hello")

    def test_sigpipe_and_a_closed_standard_output_do_not_end_it(self):
        gateway = self.start_proxy(self.start_upstream())
        gateway.signal(signal.SIGPIPE)
        self.assertEqual(gateway.request().body, b"hello")

    def test_as_pid_1(self):
        unshare = ("unshare", "--pid", "--fork", "--kill-child=KILL")
        self.may(*unshare)
        gateway = self.wrapped(*unshare)
        self.assertEqual(gateway.request().body, b"hello")
        with open("/proc/%d/task/%d/children" % (gateway.pid, gateway.pid), encoding="ascii") as file:
            child = int(file.read().split()[0])
        with open("/proc/%d/status" % child, encoding="ascii") as status:
            inside = [line.split()[-1] for line in status if line.startswith("NSpid:")]
        self.assertEqual(inside, ["1"])
        os.kill(child, signal.SIGTERM)
        self.assertEqual(gateway.wait(), 0)

    def test_as_nobody_with_a_read_only_root(self):
        unshare = ("unshare", "--mount", "sh", "-c",
                   "'mount --make-rprivate / && mount -o remount,ro,bind / && "
                   "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\"'")
        self.may("sh", "-c", " ".join(unshare) + " \"$0\"")
        gateway = self.wrapped(*unshare)
        self.assertEqual(gateway.request().body, b"hello")
        self.assertEqual(os.stat("/proc/%d" % gateway.pid).st_uid, 65534)

    def test_it_needs_no_writable_folder(self):
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream)
        written = [os.readlink("/proc/%d/fd/%s" % (gateway.pid, fd))
                   for fd in os.listdir("/proc/%d/fd" % gateway.pid)]
        self.assertEqual([name for name in written if name.startswith(("/tmp", "/var"))], [])


if __name__ == "__main__":
    unittest.main()
