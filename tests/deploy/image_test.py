"""The container image: an OCI layout that is whole, the same each time, holds what it should and
nothing else, and whose program runs in it."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
import unittest


def build(output, *modules):
    subprocess.run(["deploy/image/build_image", "--output", output, "--tag", "1.2.3",
                    os.environ["POSTERN_BINARY"], *modules], check=True, stdout=subprocess.PIPE)


class ImageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.archive = os.path.join(cls.folder.name, "image.tar")
        cls.modules = ["filters/cors/cors.so"]
        build(cls.archive, *cls.modules)
        with tarfile.open(cls.archive) as tar:
            cls.files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
        manifest, = json.loads(cls.files["index.json"])["manifests"]
        cls.manifest = json.loads(cls.blob(manifest))
        cls.config = json.loads(cls.blob(cls.manifest["config"]))
        cls.reference = manifest
        layer, = cls.manifest["layers"]
        cls.layer = gzip.decompress(cls.blob(layer))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def blob(cls, descriptor):
        algorithm, digest = descriptor["digest"].split(":")
        content = cls.files["blobs/%s/%s" % (algorithm, digest)]
        assert len(content) == descriptor["size"]
        assert hashlib.sha256(content).hexdigest() == digest
        return content

    def members(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            return {m.name: m for m in tar}

    # OCI image format: image-layout.md, manifest.md, config.md
    def test_the_layout_is_whole(self):
        self.assertEqual(json.loads(self.files["oci-layout"]), {"imageLayoutVersion": "1.0.0"})
        self.assertEqual(self.reference["annotations"]["org.opencontainers.image.ref.name"], "1.2.3")
        self.assertEqual(self.config["rootfs"]["diff_ids"],
                         ["sha256:" + hashlib.sha256(self.layer).hexdigest()])
        self.assertEqual(len(self.files), 5)
        self.assertEqual(self.config["config"]["User"], "65532:65532")
        self.assertEqual(self.config["config"]["Entrypoint"], ["/usr/bin/postern"])

    def test_the_same_input_gives_the_same_bytes(self):
        again = os.path.join(self.folder.name, "again.tar")
        build(again, *self.modules)
        with open(self.archive, "rb") as one, open(again, "rb") as other:
            self.assertEqual(hashlib.sha256(one.read()).digest(),
                             hashlib.sha256(other.read()).digest())

    def test_there_is_what_is_needed_and_no_shell(self):
        members = self.members()
        for name in ("usr/bin/postern", "usr/lib/postern/modules/cors.so",
                     "etc/ssl/certs/ca-certificates.crt", "etc/passwd", "var/lib/postern",
                     "var/lib/dpkg/status.d/libc6", "usr/share/doc/libc6/copyright"):
            self.assertIn(name, members)
        self.assertEqual(members["var/lib/postern"].uid, 65532)
        programs = [n for n in members if n.startswith("usr/bin/")]
        self.assertEqual(programs, ["usr/bin/postern"])
        for member in members.values():
            self.assertFalse(member.mode & 0o6000, member.name)  # setuid, setgid
            if not member.issym() and member.name != "tmp":
                self.assertFalse(member.mode & 0o022, member.name)
            self.assertFalse(member.name.startswith("/") or ".." in member.name.split("/"))

    def test_modules_keep_their_digests(self):
        with open(self.modules[0], "rb") as file:
            content = file.read()
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            self.assertEqual(tar.extractfile("usr/lib/postern/modules/cors.so").read(), content)

    def test_its_program_runs_in_it(self):
        root = os.path.join(self.folder.name, "root")
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            tar.extractall(root)
        enter = ["unshare", "--map-root-user", "chroot", root]
        allowed = subprocess.run(enter + ["/usr/bin/postern", "version"], check=False,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if allowed.returncode != 0 and "unshare" in allowed.stderr:
            # Without a namespace of our own: by the image's own loader, with its libraries alone.
            libraries = subprocess.run(
                ["find", root, "-name", "*.so*", "-printf", "%h\n"], check=True,
                stdout=subprocess.PIPE, text=True).stdout.split()
            loader = os.path.realpath(os.path.join(root, "usr/lib64/ld-linux-x86-64.so.2"))
            enter = [loader, "--inhibit-cache", "--library-path", ":".join(sorted(set(libraries)))]
            enter += [root]
            allowed = subprocess.run(enter[:-1] + [root + "/usr/bin/postern", "version"], check=True,
                                     stdout=subprocess.PIPE, text=True)
        self.assertRegex(allowed.stdout, r"^postern \d")
        if enter[0] == "unshare":
            # Modules are mapped through /proc.
            modules = subprocess.run(
                ["unshare", "--map-root-user", "--pid", "--fork", "--mount", "sh", "-c",
                 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', root, "/usr/bin/postern",
                 "module", "/usr/lib/postern/modules/cors.so"],
                check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if "mount" not in modules.stderr:
                self.assertEqual(modules.returncode, 0, modules.stdout + modules.stderr)
                self.assertIn("postern.cors", modules.stdout)


if __name__ == "__main__":
    unittest.main()
