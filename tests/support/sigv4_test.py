"""The checker itself, against published signatures (authorization.md 1.13, 12.1)."""

import unittest
from unittest import mock

from tests.support import http1, sigv4

_SECRETS = {"AKIDEXAMPLE": ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)}
_NOW = 1440938160


def _request(method, target, service, signed, signature, headers, body=b""):
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/%s/aws4_request, "
        "SignedHeaders=%s, Signature=%s" % (service, signed, signature))
    return http1.Request(
        headers=[("X-Amz-Date", "20150830T123600Z"), ("Authorization", authorization), *headers],
        body=body, method=method, target=target)


class SigV4Test(unittest.TestCase):

    def check(self, *args, **kwargs):
        with mock.patch("time.time", return_value=_NOW):
            return sigv4.check(_request(*args, **kwargs), _SECRETS)

    def test_encoded_twice_but_for_s3(self):
        host = [("Host", "lambda.us-east-1.amazonaws.com")]
        path = ("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af"
                "/invocations")
        scope = self.check(
            "POST", path, "lambda", "host;x-amz-date",
            "18909114d0b4c301e5602b235334bfe40ff530a85fb942ea465e3fd16abd0b59", host, b'{"a":1}')
        self.assertEqual(scope.service, "lambda")
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        self.check(
            "GET", "/a%20b//c/../d%2Be", "s3", "host;x-amz-content-sha256;x-amz-date",
            "0d62f5e5a79811a4c9465e8f192ebe763682dcf2e443d078890d31cff931fcb7",
            [("Host", "bkt.s3.us-east-1.amazonaws.com"), ("x-amz-content-sha256", empty)])

    def test_what_is_refused(self):
        host = [("Host", "abc123.execute-api.us-east-1.amazonaws.com")]
        good = "10beda81ffe04a9405be9f6c5ec1929906c4032144f26f2477a832f26bebd19e"
        path = "/dev/%40connections/asnFYeJtCGYCEZQ%3D"
        self.check("POST", path, "execute-api", "host;x-amz-date", good, host, b'{"a":1}')
        for body, headers, signed in (
                (b'{"a":2}', host, "host;x-amz-date"),
                (b'{"a":1}', [("Host", "other")], "host;x-amz-date"),
                (b'{"a":1}', host + [("x-amz-target", "T")], "host;x-amz-date")):
            with self.assertRaisesRegex(sigv4.Refused, "SignatureDoesNotMatch"):
                self.check("POST", path, "execute-api", signed, good, headers, body)
        with self.assertRaisesRegex(sigv4.Refused, "RequestTimeTooSkewed"):
            sigv4.check(_request("POST", path, "execute-api", "host;x-amz-date", good, host,
                                 b'{"a":1}'), _SECRETS)


if __name__ == "__main__":
    unittest.main()
