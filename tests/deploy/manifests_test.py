"""The manifests of deploy/kustomize render, and keep to the conventions for sidecars
(docs/kubernetes.md): with `kubectl kustomize` where there is one, and file by file in any case."""

import os
import shutil
import subprocess
import unittest

import yaml

_ROOT = "deploy/kustomize"


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [d for d in yaml.safe_load_all(file) if d]


def argument(container, name):
    """Value of --name=VALUE among a container's arguments."""
    for text in container["args"]:
        if text.startswith("--%s=" % name):
            return text.split("=", 1)[1]
    return None


class ManifestsTest(unittest.TestCase):

    def check_container(self, pod, container):
        """What holds for both programs."""
        security = {**pod.get("securityContext", {}), **container["securityContext"]}
        self.assertTrue(security["runAsNonRoot"])
        self.assertEqual(security["runAsUser"], 65532)
        self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertFalse(security["allowPrivilegeEscalation"])
        self.assertTrue(security["readOnlyRootFilesystem"])
        self.assertEqual(security["capabilities"], {"drop": ["ALL"]})
        resources = container["resources"]
        self.assertEqual(sorted(resources["requests"]), ["cpu", "memory"])
        self.assertEqual(sorted(resources["limits"]), ["memory"])
        ports = {p["name"]: p["containerPort"] for p in container["ports"]}
        self.assertTrue(all(1024 < port < 65536 for port in ports.values()), ports)
        for probe, path in (("startupProbe", "/startup"), ("livenessProbe", "/live"),
                            ("readinessProbe", "/ready")):
            self.assertEqual(container[probe]["httpGet"]["path"], path)
            port = container[probe]["httpGet"]["port"]
            self.assertEqual(argument(container, "admin"), ":%d" % ports[port])
        self.assertTrue(any(a.startswith("--listen=:") for a in container["args"]))
        volumes = {v["name"]: v for v in pod["volumes"]}
        for mount in container["volumeMounts"]:
            # Mounted files are swapped under us; those of subPath never are.
            self.assertNotIn("subPath", mount)
            if mount["name"] in volumes and "secret" in volumes[mount["name"]]:
                self.assertTrue(mount["readOnly"])
        for option in ("tls-cert", "tls-key", "client-ca", "control-ca", "control-cert",
                       "control-key", "state", "store"):
            path = argument(container, option)
            if path is not None:
                self.assertTrue(
                    any(path.startswith(m["mountPath"]) for m in container["volumeMounts"]), path)

    def check_annotations(self, template, container):
        annotations = template["metadata"]["annotations"]
        self.assertEqual(annotations["prometheus.io/scrape"], "true")
        self.assertEqual(annotations["prometheus.io/path"], "/metrics")
        self.assertEqual(":" + annotations["prometheus.io/port"], argument(container, "admin"))

    def check_sidecar(self, template):
        pod = template["spec"]
        sidecar = pod["initContainers"][0]
        self.assertEqual(sidecar["name"], "postern")
        self.assertEqual(sidecar["restartPolicy"], "Always")  # a native sidecar
        self.check_container(pod, sidecar)
        self.check_annotations(template, sidecar)
        self.assertEqual(sidecar["lifecycle"]["preStop"]["httpGet"]["path"], "/drain?graceful")
        drain_ms = int(argument(sidecar, "drain-delay")) + int(argument(sidecar, "drain-timeout"))
        self.assertLess(drain_ms / 1000 + 5, pod["terminationGracePeriodSeconds"])
        environment = {e["name"]: e for e in sidecar["env"]}
        for name, field in (("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace"),
                            ("NODE_NAME", "spec.nodeName")):
            self.assertEqual(environment[name]["valueFrom"]["fieldRef"]["fieldPath"], field)
        # What the state folder is on may be written.
        state = argument(sidecar, "state")
        name = [m["name"] for m in sidecar["volumeMounts"] if m["mountPath"] == state][0]
        self.assertIn("emptyDir", [v for v in pod["volumes"] if v["name"] == name][0])

    def test_every_file_is_there_and_parses(self):
        seen = 0
        for folder, _, names in os.walk(_ROOT):
            for name in names:
                if name != "kustomization.yaml":
                    self.assertTrue(documents(os.path.join(folder, name)), name)
                    continue
                seen += 1
                for document in documents(os.path.join(folder, name)):
                    files = document.get("resources", []) + document.get("components", [])
                    files += [p["path"] for p in document.get("patches", []) if "path" in p]
                    for file in files:
                        self.assertTrue(os.path.exists(os.path.join(folder, file)), file)
        self.assertEqual(seen, 4)

    def test_the_sidecar(self):
        patch, = documents(_ROOT + "/components/sidecar/sidecar.yaml")
        self.check_sidecar(patch["spec"]["template"])

    def test_the_control_plane(self):
        stateful, = documents(_ROOT + "/base/statefulset.yaml")
        self.assertEqual(stateful["spec"]["replicas"], 1)  # one process for a store
        template = stateful["spec"]["template"]
        container, = template["spec"]["containers"]
        self.check_container(template["spec"], container)
        self.check_annotations(template, container)

    def test_policies_leave_the_admin_endpoint_to_what_scrapes(self):
        for path, port in ((_ROOT + "/components/sidecar/networkpolicy.yaml", 9901),
                           (_ROOT + "/base/networkpolicy.yaml", 9902)):
            policy, = documents(path)
            for rule in policy["spec"]["ingress"]:
                for ports in rule["ports"]:
                    if ports["port"] <= port <= ports.get("endPort", ports["port"]) and (
                            ports["protocol"] == "TCP"):
                        self.assertIn("namespaceSelector", rule["from"][0])

    def test_the_options_are_those_of_the_program(self):
        for path, pick in (("/components/sidecar/sidecar.yaml", "initContainers"),
                           ("/base/statefulset.yaml", "containers")):
            workload, = documents(_ROOT + path)
            arguments = workload["spec"]["template"]["spec"][pick][0]["args"]
            shown = subprocess.run([os.environ["POSTERN_BINARY"], arguments[0], "--help"],
                                   stdout=subprocess.PIPE, text=True, check=True).stdout
            for text in arguments[1:]:
                self.assertIn("\n  %s" % text.split("=")[0], shown)

    @unittest.skipUnless(shutil.which("kubectl"), "there is no kubectl")
    def test_kubectl_renders_the_overlays(self):
        for overlay in ("control-plane", "sidecar"):
            rendered = subprocess.run(
                ["kubectl", "kustomize", "--load-restrictor=LoadRestrictionsNone",
                 "%s/overlays/%s" % (_ROOT, overlay)],
                stdout=subprocess.PIPE, text=True, check=True).stdout
            by_kind = {d["kind"]: d for d in yaml.safe_load_all(rendered)}
            if overlay == "control-plane":
                container, = by_kind["StatefulSet"]["spec"]["template"]["spec"]["containers"]
                self.assertEqual(by_kind["StatefulSet"]["metadata"]["namespace"], "postern")
                labels = by_kind["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
                self.assertEqual(by_kind["Service"]["spec"]["selector"], labels)
            else:
                template = by_kind["Deployment"]["spec"]["template"]
                self.check_sidecar(template)
                container = template["spec"]["initContainers"][0]
                self.assertEqual(template["spec"]["containers"][0]["name"], "shop")
                self.assertIn({"name": "POSTERN_GROUP", "value": "shop"}, container["env"])
                self.assertEqual(by_kind["Service"]["spec"]["ports"][0]["targetPort"], "gateway")
                labels = template["metadata"]["labels"]
                for selector in (by_kind["Service"]["spec"]["selector"],
                                 by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]):
                    self.assertLessEqual(selector.items(), labels.items())
            self.assertRegex(container["image"], r"^registry\.example/postern:\d")


if __name__ == "__main__":
    unittest.main()
