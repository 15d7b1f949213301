"""Gateway responses of REST APIs, whole answers byte by byte (rest-api.md §0.3, §1.3, §4): every
type by default, and as owners of APIs change them."""

import re

from tests.integration.module_folder import ModuleFolder
from tests.support import fake_lambda, harness, http1

_INTERNAL = '{"message": "Internal server error"}'
_HEX = "[0-9a-f]"
_UUID = "%s{8}-%s{4}-4%s{3}-[89ab]%s{3}-%s{12}" % ((_HEX,) * 5)

# Type: number of the reply that a filter asks for (api/abi/abi.h), status, x-amzn-ErrorType, body.
_DEFAULTS = {
    "DEFAULT_4XX": (10, 400, "BadRequestException", '{"message":"Bad Request"}'),
    "DEFAULT_5XX": (11, 500, "InternalServerErrorException", _INTERNAL),
    "ACCESS_DENIED": (12, 403, "AccessDeniedException",
                      '{"Message":"User is not authorized to access this resource"}'),
    "UNAUTHORIZED": (13, 401, "UnauthorizedException", '{"message":"Unauthorized"}'),
    "AUTHORIZER_FAILURE": (14, 500, "AuthorizerFailureException", '{"message":null}'),
    "AUTHORIZER_CONFIGURATION_ERROR": (15, 500, "AuthorizerConfigurationException",
                                       '{"message":null}'),
    "EXPIRED_TOKEN": (16, 403, "ExpiredTokenException",
                      '{"message":"The security token included in the request is expired"}'),
    "INVALID_SIGNATURE": (
        17, 403, "InvalidSignatureException",
        '{"message":"The request signature we calculated does not match the signature you provided. '
        'Check your AWS Secret Access Key and signing method. Consult the service documentation for '
        'details."}'),
    "MISSING_AUTHENTICATION_TOKEN": (18, 403, "MissingAuthenticationTokenException",
                                     '{"message":"Missing Authentication Token"}'),
    "INVALID_API_KEY": (19, 403, "ForbiddenException", '{"message":"Forbidden"}'),
    "THROTTLED": (20, 429, "TooManyRequestsException", '{"message":"Too Many Requests"}'),
    "QUOTA_EXCEEDED": (21, 429, "LimitExceededException", '{"message":"Limit Exceeded"}'),
    "BAD_REQUEST_BODY": (22, 400, "BadRequestException", '{"message": "Invalid request body"}'),
    "BAD_REQUEST_PARAMETERS": (23, 400, "BadRequestException",
                               '{"message": "Missing required request parameters: []"}'),
    "REQUEST_TOO_LARGE": (24, 413, "RequestTooLargeException", '{"message":"Request Too Long"}'),
    "UNSUPPORTED_MEDIA_TYPE": (25, 415, "BadRequestException",
                               '{"message": "Unsupported Media Type"}'),
    "RESOURCE_NOT_FOUND": (26, 404, "ResourceNotFoundException", '{"message":"Not Found"}'),
    "WAF_FILTERED": (27, 403, "ForbiddenException", '{"message":"Forbidden"}'),
    "API_CONFIGURATION_ERROR": (28, 500, "InternalServerErrorException", _INTERNAL),
    "INTEGRATION_FAILURE": (29, 504, "InternalServerErrorException",
                            '{"message": "Network error communicating with endpoint"}'),
    "INTEGRATION_TIMEOUT": (30, 504, "InternalServerErrorException",
                            '{"message": "Endpoint request timed out"}'),
}


def _mock(template='{"statusCode": 200}', **fields):
    return {"type": "mock", "requestTemplates": {"application/json": template},
            "responses": {"default": {"statusCode": "200"}}, **fields}


def _definition(paths, responses=None, **fields):
    """An API with a GET or POST for each path; a filter in front answers as x-reply asks."""
    document = {
        "openapi": "3.0.1",
        "info": {"title": "gateway responses", "version": "1"},
        "paths": {
            path: {
                method: {
                    "responses": {"200": {"description": "ok"}},
                    "x-amazon-apigateway-integration": integration,
                },
            } for path, (method, integration) in paths.items()
        },
        "x-postern-filters": [{"name": "reply", "module": "test.conduct", "point": "request",
                               "config": {"do": "reply"}}],
        **fields,
    }
    if responses is not None:
        document["x-amazon-apigateway-gateway-responses"] = responses
    return document


class GatewayResponsesTest(harness.TestCase):

    def start(self, paths, responses=None, *args, **fields):
        modules = ModuleFolder(self.folder)
        with open("tests/integration/modules/conduct.so", "rb") as file:
            modules.put(file.read(), "conduct.so")
        path = self.write("api.json", _definition(paths, responses, **fields))
        return self.start_postern(path, "--modules", modules.path, "--workers", "1", *args)

    def check(self, response, status, error_type, body, content_type="application/json", more=()):
        """The whole of a gateway response, in the order of regional APIs (rest-api.md §4.5)."""
        expected = [
            ("Date", r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"),
            ("Content-Type", re.escape(content_type)),
            ("Content-Length", str(len(body))),
            ("Connection", "keep-alive"),
            ("x-amzn-RequestId", _UUID),
            ("x-amzn-ErrorType", error_type),
            ("x-amz-apigw-id", "[A-Za-z0-9+/]{15}="),
            *((name, re.escape(value)) for name, value in more),
        ]
        self.assertEqual(response.status, status)
        self.assertEqual([n for n, _ in response.headers], [n for n, _ in expected])
        for (name, value), (_, pattern) in zip(response.headers, expected):
            self.assertRegex(value, "^(?:%s)$" % pattern, name)
        self.assertEqual(response.body.decode(), body)

    def test_every_type_by_default(self):
        gateway = self.start({"/x": ("get", _mock())})
        with gateway.connect() as client:
            for name, (number, status, error_type, body) in _DEFAULTS.items():
                with self.subTest(type=name):
                    response = client.request("GET", "/x", [("x-reply", str(number))])
                    self.check(response, status, error_type, body)
            # HEAD has the fields and no content (rest-api.md §2.5).
            response = client.request("HEAD", "/x", [("x-reply", "20")])
            self.assertEqual((response.status, response.body), (429, b""))
            self.assertEqual(response.value("content-length"), "31")
        with gateway.connect_h2() as client:
            response = client.request("GET", "/x", [("x-reply", "20")])
            self.assertEqual(response.status, 429)
            self.assertEqual(response.body, b'{"message":"Too Many Requests"}')
            self.assertEqual(response.value("x-amzn-errortype"), "TooManyRequestsException")

    def test_what_requests_meet(self):
        """The types that something in the gateway makes by itself."""
        upstream = self.start_upstream([http1.silent])
        function = self.start_lambda(lambda invocation: fake_lambda.FunctionError())
        arn = ("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
               "arn:aws:lambda:us-east-1:000000000000:function:f/invocations")
        gateway = self.start(
            {
                "/x": ("post", _mock()),
                "/none": ("get", _mock("{}")),
                "/never": ("post", _mock(passthroughBehavior="never")),
                "/silent": ("get", {"type": "http_proxy", "httpMethod": "GET",
                                    "uri": upstream.url, "timeoutInMillis": 50}),
                "/gone": ("get", {"type": "http_proxy", "httpMethod": "GET",
                                  "uri": "http://127.0.0.1:1"}),
                "/function": ("get", {"type": "aws_proxy", "httpMethod": "POST", "uri": arn}),
                "/nowhere": ("get", {"type": "aws_proxy", "httpMethod": "POST",
                                     "uri": arn.replace(":f/", ":g/")}),
            }, None, "--lambda", "f=invoke+" + function.url, "--max-body", "10485760")
        rows = [
            # §3.4
            ("GET", "/missing", [], b"", 403, "MissingAuthenticationTokenException",
             '{"message":"Missing Authentication Token"}'),
            # §1.3
            ("GET", "/missing", [("Authorization", "Bearer x")], b"", 403,
             "IncompleteSignatureException", None),
            # §2.1
            ("GET", "/_aws/execute-api/unknown/prod/x", [], b"", 403, "ForbiddenException",
             '{"message":"Forbidden"}'),
            # §10.5
            ("POST", "/x", [], b"x" * 10485761, 413, "RequestTooLargeException",
             '{"message":"Request Too Long"}'),
            # §6.4
            ("POST", "/never", [("Content-Type", "text/plain")], b"x", 415, "BadRequestException",
             '{"message": "Unsupported Media Type"}'),
            # §7.9
            ("GET", "/none", [], b"", 500, "InternalServerErrorException", _INTERNAL),
            # §6.6
            ("GET", "/silent", [], b"", 504, "InternalServerErrorException",
             '{"message": "Endpoint request timed out"}'),
            ("GET", "/gone", [], b"", 504, "InternalServerErrorException",
             '{"message": "Network error communicating with endpoint"}'),
            # §9.6
            ("GET", "/function", [], b"", 502, "InternalServerErrorException", _INTERNAL),
            ("GET", "/nowhere", [], b"", 500, "InternalServerErrorException", _INTERNAL),
        ]
        for method, target, headers, content, status, error_type, body in rows:
            with self.subTest(target=target):
                response = gateway.request(method, target, headers, content)
                if body is None:
                    body = response.body.decode()
                    self.assertRegex(body, r'^\{"message":"Invalid key=value pair \(missing '
                                     r"equal-sign\) in Authorization header \(hashed with SHA-256 "
                                     r"and encoded with Base64\): '[A-Za-z0-9+/]{43}='\.\"\}$")
                if status == 413:  # What is left of the content may close the connection.
                    response.headers = [
                        (n, "keep-alive" if n == "Connection" else v) for n, v in response.headers]
                self.check(response, status, error_type, body)

    def test_customised_types(self):
        """§4.4: status, fields from every source, a template by Accept."""
        gateway = self.start(
            {"/x/{id}": ("get", _mock())}, {
                "THROTTLED": {
                    "statusCode": "420",
                    "responseParameters": {
                        "gatewayresponse.header.X-Static": "'a,b'",
                        "gatewayresponse.header.X-Context": "context.stage",
                        "gatewayresponse.header.X-Error": "context.error.responseType",
                        "gatewayresponse.header.X-Header": "method.request.header.X-Sent",
                        "gatewayresponse.header.X-Query": "method.request.querystring.q",
                        "gatewayresponse.header.X-Path": "method.request.path.id",
                        "gatewayresponse.header.X-Variable": "stageVariables.colour",
                        "gatewayresponse.header.X-Missing": "method.request.header.X-Not-Sent",
                        "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
                    },
                    "responseTemplates": {
                        "application/json":
                            '{"type":"$context.error.responseType","m":$context.error.messageString,'
                            '"bare":"$context.error.message","v":"$context.error.validationErrorString",'
                            '"id":"$method.request.path.id","q":"$method.request.querystring.q",'
                            '"h":"$method.request.header.X-Sent","colour":"$stageVariables.colour",'
                            '"path":"$context.resourcePath","who":"$context.authorizer.principalId",'
                            '"no":"$context.nothing.of.that","dollar":"$5 #if(true)x#end $input.body"}',
                        "text/plain": "$context.httpMethod $context.path",
                    },
                },
            }, "--var", "colour=red")
        headers = [("x-reply", "20"), ("X-Sent", "s"), ("x-message", 'say "no"')]
        more = [("Access-Control-Allow-Origin", "*"), ("X-Context", "prod"), ("X-Error", "THROTTLED"),
                ("X-Header", "s"), ("X-Path", "7"), ("X-Query", "b c"), ("X-Static", "a,b"),
                ("X-Variable", "red")]
        body = ('{"type":"THROTTLED","m":"say \\"no\\"","bare":"say "no"","v":"","id":"7","q":"b c",'
                '"h":"s","colour":"red","path":"/x/{id}","who":"","no":"",'
                '"dollar":"$5 #if(true)x#end $input.body"}')
        with gateway.connect() as client:
            # The request has met no method yet where the filter stands in front of it, but its path.
            response = client.request("GET", "/x/7?q=a&q=b+c", headers)
            self.check(response, 420, "TooManyRequestsException", body, more=more)
            response = client.request("GET", "/x/7?q=b+c", headers + [("Accept", "text/plain, */*")])
            self.check(response, 420, "TooManyRequestsException", "GET /x/7", "text/plain", more)
            # Others are as they were.
            response = client.request("GET", "/x/7", [("x-reply", "21")])
            self.check(response, 429, "LimitExceededException", '{"message":"Limit Exceeded"}')

    def test_defaults_of_a_class(self):
        """§4.3: what the owner has put for DEFAULT_4XX and DEFAULT_5XX stands for all types of the
        class that he has not put themselves."""
        gateway = self.start(
            {"/x": ("post", _mock())}, {
                "DEFAULT_4XX": {
                    "responseParameters": {
                        "gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
                    "responseTemplates": {"application/json": '{"t":"$context.error.responseType"}'},
                },
                "DEFAULT_5XX": {"statusCode": "599"},
                "UNAUTHORIZED": {},
                "INTEGRATION_TIMEOUT": {"responseTemplates": {"text/plain": "late"}},
                "REQUEST_TOO_LARGE": {"statusCode": "418",
                                      "responseTemplates": {"text/plain": "large"}},
            })
        cors = [("Access-Control-Allow-Origin", "*")]
        with gateway.connect() as client:
            for name, (number, status, error_type, body) in _DEFAULTS.items():
                with self.subTest(type=name):
                    response = client.request("POST", "/x", [("x-reply", str(number))])
                    if name == "UNAUTHORIZED":  # Only its own definition counts.
                        self.check(response, status, error_type, body)
                    elif name == "INTEGRATION_TIMEOUT":
                        self.check(response, 504, error_type, "late", "text/plain")
                    elif status < 500:
                        self.check(response, status, error_type, '{"t":"%s"}' % name, more=cors)
                    else:  # A definition that was put is rendered as its template has it.
                        self.check(response, 599, error_type, body.replace(": ", ":"))


if __name__ == "__main__":
    harness.unittest.main()
