"""Where the gateway gets its AWS credentials from, and how it goes on with them (authorization.md
12.2), as the whole program does it."""

import time
import unittest

from tests.support import fake_aws, harness, http1

_RECORD = {"StreamName": "s", "Data": "d", "PartitionKey": "p"}
_DEFINITION = {
    "openapi": "3.0.1", "info": {"title": "web", "version": "1"}, "paths": {
        "/put": {"post": {"x-amazon-apigateway-integration": {
            "type": "aws_proxy", "integrationSubtype": "Kinesis-PutRecord",
            "payloadFormatVersion": "1.0", "requestParameters": _RECORD}}}}}


class CredentialsTest(harness.TestCase):

    def start(self, aws, *args, **env):
        base = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": self.folder,
                "AWS_ENDPOINT_URL": aws.url, "AWS_EC2_METADATA_DISABLED": "true"}
        return self.start_postern(self.write("web.json", _DEFINITION), *args, env={**base, **env})

    def put(self, gateway, status=200):
        response = gateway.request("POST", "/put")
        self.assertEqual(response.status, status, response.body)

    def last_key(self, aws):
        return [scope.access_key_id for service, _, scope, _ in aws.calls
                if service == "kinesis"][-1]

    def wait_for_key(self, gateway, aws, condition):
        """Sends requests until one was signed with such a key."""
        def look():
            self.put(gateway)
            return condition(self.last_key(aws))
        until = time.monotonic() + http1.TIMEOUT
        while time.monotonic() < until:
            if look():
                return
            time.sleep(0.01)
        self.fail("signed with %s" % self.last_key(aws))

    def test_environment_and_endpoint_of_a_service(self):
        aws = self.start_aws()
        gateway = self.start(aws, AWS_ACCESS_KEY_ID=fake_aws.KEY[0],
                             AWS_SECRET_ACCESS_KEY=fake_aws.KEY[1], AWS_ENDPOINT_URL="",
                             AWS_ENDPOINT_URL_KINESIS=aws.url)
        self.put(gateway)
        self.assertEqual(self.last_key(aws), fake_aws.KEY[0])
        metrics = gateway.metrics()
        self.assertEqual(metrics['postern_credentials_usable{credentials="gateway"}'], 1)

    def test_shared_file_and_its_change(self):
        aws = self.start_aws(secrets={"FIRST": ("s1", None), "SECOND": ("s2", None)})
        path = self.write("credentials", "[p]\naws_access_key_id=FIRST\naws_secret_access_key=s1\n")
        gateway = self.start(aws, AWS_SHARED_CREDENTIALS_FILE=path, AWS_PROFILE="p")
        self.put(gateway)
        self.assertEqual(self.last_key(aws), "FIRST")
        self.write("credentials", "[p]\naws_access_key_id=SECOND\naws_secret_access_key=s2\n")
        self.wait_for_key(gateway, aws, lambda key: key == "SECOND")
        self.assertEqual(aws.refused, [])

    def test_web_identity(self):
        aws = self.start_aws()
        gateway = self.start(
            aws, AWS_WEB_IDENTITY_TOKEN_FILE=self.write("token", "eyJ.tok.en\n"),
            AWS_ROLE_ARN="arn:aws:iam::1:role/pod", AWS_REGION="eu-west-1")
        self.put(gateway)
        self.assertEqual(self.last_key(aws), "ASIA000000000001")
        form = aws.calls[0][3]
        self.assertEqual(form["WebIdentityToken"], "eyJ.tok.en")
        self.assertEqual(form["RoleArn"], "arn:aws:iam::1:role/pod")
        self.assertEqual(aws.refused, [])

    def test_container_renewed_ahead_of_the_end(self):
        aws = self.start_aws()
        aws.container_token = "Bearer x"
        aws.session_seconds = 4
        gateway = self.start(
            aws, AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/container-credentials",
            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=self.write("token", "Bearer x"))
        self.put(gateway)
        first = self.last_key(aws)
        self.wait_for_key(gateway, aws, lambda key: key != first)
        self.assertEqual(aws.refused, [])

    def test_instance_metadata(self):
        aws = self.start_aws()
        gateway = self.start(aws, AWS_EC2_METADATA_DISABLED="",
                             AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.url)
        self.put(gateway)
        self.assertEqual(self.last_key(aws), "ASIA000000000001")

    def test_profile_with_a_role(self):
        aws = self.start_aws()
        credentials = "[base]\naws_access_key_id=%s\naws_secret_access_key=%s\n" % fake_aws.KEY
        config = "[profile dev]\nrole_arn=arn:aws:iam::1:role/dev\nsource_profile=base\n"
        gateway = self.start(
            aws, AWS_PROFILE="dev", AWS_SHARED_CREDENTIALS_FILE=self.write("c", credentials),
            AWS_CONFIG_FILE=self.write("g", config))
        self.put(gateway)
        self.assertEqual(aws.operations()[0], "AssumeRole")
        self.assertEqual(self.last_key(aws), "ASIA000000000001")

    # "after ExpiredToken from a service: drop, refresh, retry once"
    def test_keys_that_a_service_refuses_are_renewed(self):
        aws = self.start_aws()
        aws.container_token = None
        gateway = self.start(
            aws, AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/container-credentials")
        self.put(gateway)
        first = self.last_key(aws)
        del aws.secrets[first]

        def look():
            response = gateway.request("POST", "/put")
            return response.status == 200
        for _ in range(2000):  # a pause lies between two renewals
            if look():
                break
        self.assertNotEqual(self.last_key(aws), first)

    # authorization.md 12.1, "Clock skew"
    def test_clocks_that_differ(self):
        aws = self.start_aws(clock_offset=7200)
        gateway = self.start(aws, AWS_ACCESS_KEY_ID=fake_aws.KEY[0],
                             AWS_SECRET_ACCESS_KEY=fake_aws.KEY[1])
        self.put(gateway)
        self.assertEqual([r.code for r in aws.refused], ["RequestTimeTooSkewed"])
        self.put(gateway)
        self.assertEqual(len(aws.refused), 1, "the clock is right from then on")

    def test_options_that_are_wrong(self):
        path = self.write("web.json", _DEFINITION)
        for args, env, text in (
                (["--aws-endpoint", "localhost:4566"], {}, "--aws-endpoint"),
                (["--aws-role", "x"], {}, "--aws-role"),
                ([], {"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL")):
            ran = self.run_postern("run", path, *args, env=env)
            self.assertEqual(ran.returncode, 2, ran.stderr)
            self.assertIn(text, ran.stderr)


if __name__ == "__main__":
    unittest.main()
