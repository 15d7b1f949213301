"""CORS for REST APIs (rest-api.md §14): there is no engine, only ordinary methods and headers, as the
console writes them and AWS exports them."""

import json

from tests.support import fake_lambda, harness

_ALLOWED = "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token"

# What `aws apigateway get-export --export-type swagger --parameters extensions=apigateway` gives
# for an API whose resource had "Enable CORS" applied in the console.
_EXPORT = """
{
  "swagger" : "2.0",
  "info" : {
    "description" : "Pets, for browsers",
    "version" : "2024-03-07T10:10:45Z",
    "title" : "pets"
  },
  "host" : "abc123def4.execute-api.eu-west-1.amazonaws.com",
  "basePath" : "/prod",
  "schemes" : [ "https" ],
  "paths" : {
    "/pets" : {
      "get" : {
        "produces" : [ "application/json" ],
        "responses" : {
          "200" : {
            "description" : "200 response",
            "schema" : {
              "$ref" : "#/definitions/Empty"
            },
            "headers" : {
              "Access-Control-Allow-Origin" : {
                "type" : "string"
              }
            }
          }
        },
        "x-amazon-apigateway-integration" : {
          "type" : "mock",
          "responses" : {
            "default" : {
              "statusCode" : "200",
              "responseParameters" : {
                "method.response.header.Access-Control-Allow-Origin" : "'*'"
              },
              "responseTemplates" : {
                "application/json" : "[]"
              }
            }
          },
          "requestTemplates" : {
            "application/json" : "{\\"statusCode\\": 200}"
          },
          "passthroughBehavior" : "when_no_match"
        }
      },
      "post" : {
        "consumes" : [ "application/json" ],
        "produces" : [ "application/json" ],
        "parameters" : [ {
          "in" : "body",
          "name" : "Pet",
          "required" : true,
          "schema" : {
            "$ref" : "#/definitions/Pet"
          }
        } ],
        "responses" : {
          "200" : {
            "description" : "200 response"
          }
        },
        "x-amazon-apigateway-request-validator" : "Validate body",
        "x-amazon-apigateway-integration" : {
          "type" : "aws_proxy",
          "httpMethod" : "POST",
          "uri" : "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:pets/invocations",
          "responses" : {
            "default" : {
              "statusCode" : "200"
            }
          },
          "passthroughBehavior" : "when_no_match",
          "contentHandling" : "CONVERT_TO_TEXT"
        }
      },
      "options" : {
        "consumes" : [ "application/json" ],
        "produces" : [ "application/json" ],
        "responses" : {
          "200" : {
            "description" : "200 response",
            "schema" : {
              "$ref" : "#/definitions/Empty"
            },
            "headers" : {
              "Access-Control-Allow-Origin" : {
                "type" : "string"
              },
              "Access-Control-Allow-Methods" : {
                "type" : "string"
              },
              "Access-Control-Allow-Headers" : {
                "type" : "string"
              }
            }
          }
        },
        "x-amazon-apigateway-integration" : {
          "type" : "mock",
          "responses" : {
            "default" : {
              "statusCode" : "200",
              "responseParameters" : {
                "method.response.header.Access-Control-Allow-Methods" : "'GET,OPTIONS,POST'",
                "method.response.header.Access-Control-Allow-Headers" : "'Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token'",
                "method.response.header.Access-Control-Allow-Origin" : "'*'"
              }
            }
          },
          "requestTemplates" : {
            "application/json" : "{\\"statusCode\\": 200}"
          },
          "passthroughBehavior" : "when_no_match"
        }
      }
    },
    "/cdk" : {
      "options" : {
        "responses" : {
          "204" : {
            "description" : "204 response",
            "headers" : {
              "Access-Control-Allow-Origin" : {
                "type" : "string"
              },
              "Vary" : {
                "type" : "string"
              }
            }
          }
        },
        "x-amazon-apigateway-integration" : {
          "type" : "mock",
          "responses" : {
            "default" : {
              "statusCode" : "204",
              "responseParameters" : {
                "method.response.header.Access-Control-Allow-Origin" : "'https://shop.example'",
                "method.response.header.Vary" : "'Origin'"
              }
            }
          },
          "requestTemplates" : {
            "application/json" : "{ statusCode: 200 }"
          },
          "passthroughBehavior" : "when_no_match"
        }
      }
    }
  },
  "definitions" : {
    "Empty" : {
      "type" : "object",
      "title" : "Empty Schema"
    },
    "Pet" : {
      "type" : "object",
      "required" : [ "name" ],
      "properties" : {
        "name" : {
          "type" : "string"
        }
      }
    }
  },
  "x-amazon-apigateway-gateway-responses" : {
    "DEFAULT_5XX" : {
      "responseParameters" : {
        "gatewayresponse.header.Access-Control-Allow-Origin" : "'*'",
        "gatewayresponse.header.Access-Control-Allow-Headers" : "'Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token'"
      }
    },
    "DEFAULT_4XX" : {
      "responseParameters" : {
        "gatewayresponse.header.Access-Control-Allow-Origin" : "'*'",
        "gatewayresponse.header.Access-Control-Allow-Headers" : "'Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token'"
      }
    }
  },
  "x-amazon-apigateway-request-validators" : {
    "Validate body" : {
      "validateRequestParameters" : false,
      "validateRequestBody" : true
    }
  }
}
"""


class CorsTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        self.answer = {"statusCode": 201, "body": "made",
                       "headers": {"Access-Control-Allow-Origin": "https://shop.example"}}
        self.function = self.start_lambda(lambda invocation: self.answer)
        self.gateway = self.start_postern(
            self.write("export.json", _EXPORT), "--lambda", "pets=invoke+" + self.function.url,
            "--workers", "1")

    def preflight(self, target, method):
        return self.gateway.request("OPTIONS", target, [
            ("Origin", "https://shop.example"),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "content-type"),
        ])

    def test_preflight(self):
        response = self.preflight("/pets", "POST")
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response.value("access-control-allow-methods"), "GET,OPTIONS,POST")
        self.assertEqual(response.value("access-control-allow-headers"), _ALLOWED)
        self.assertEqual(response.value("access-control-allow-origin"), "*")
        self.assertEqual(response.value("content-type"), "application/json")
        with self.gateway.connect_h2() as client:
            response = client.request("OPTIONS", "/pets", [("origin", "https://shop.example")])
            self.assertEqual(response.status, 200)
            self.assertEqual(response.value("access-control-allow-methods"), "GET,OPTIONS,POST")

    def test_preflight_of_the_cdk(self):
        response = self.preflight("/cdk", "POST")
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(response.value("access-control-allow-origin"), "https://shop.example")
        self.assertEqual(response.value("vary"), "Origin")

    def test_answers(self):
        """Methods without proxy have what their integration responses map; of proxies the backend
        decides, the gateway adds nothing."""
        response = self.gateway.request("GET", "/pets", [("Origin", "https://shop.example")])
        self.assertEqual((response.status, response.body), (200, b"[]"))
        self.assertEqual(response.values("access-control-allow-origin"), ["*"])
        response = self.gateway.request("POST", "/pets", [("Origin", "https://shop.example")],
                                        b'{"name": "Rex"}')
        self.assertEqual((response.status, response.body), (201, b"made"))
        self.assertEqual(response.values("access-control-allow-origin"), ["https://shop.example"])
        self.assertEqual(response.values("access-control-allow-headers"), [])

    def test_errors_of_the_gateway(self):
        for method, target, body, status, message in (
                ("POST", "/pets", b"{}", 400, "Invalid request body"),
                ("GET", "/nothing", b"", 403, "Missing Authentication Token"),
                # No automatic OPTIONS: a preflight of a path without one meets the same.
                ("OPTIONS", "/nothing", b"", 403, "Missing Authentication Token")):
            with self.subTest(method=method, target=target):
                response = self.gateway.request(method, target, [("Origin", "https://a")], body)
                self.assertEqual(response.status, status)
                self.assertEqual(json.loads(response.body)["message"], message)
                self.assertEqual(response.value("access-control-allow-origin"), "*")
                self.assertEqual(response.value("access-control-allow-headers"), _ALLOWED)
        self.answer = fake_lambda.FunctionError()
        response = self.gateway.request("POST", "/pets", [], b'{"name": "Rex"}')
        self.assertEqual(response.status, 502)
        self.assertEqual(response.value("access-control-allow-origin"), "*")


if __name__ == "__main__":
    harness.unittest.main()
