"""AWS on one port: S3, SQS, SNS, DynamoDB, Step Functions, EventBridge, Kinesis, AppConfig and STS,
each as far as tests of integrations go, and the places where credentials come from (container
endpoint, instance metadata). Every signature is checked (sigv4.py)."""

import base64
import email.utils
import json
import threading
import time
import urllib.parse
import uuid

from tests.support import http1, sigv4

KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def environment(**more):
    """Of a gateway that signs with KEY and finds nothing else."""
    return {"AWS_ACCESS_KEY_ID": KEY[0], "AWS_SECRET_ACCESS_KEY": KEY[1], "AWS_SESSION_TOKEN": "",
            "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", **more}


class _Error(Exception):
    """What a service answers."""

    def __init__(self, status, code, message=""):
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


def _xml(name, inner):
    return '<?xml version="1.0"?><%s>%s<RequestId>R</RequestId></%s>' % (name, inner, name)


class FakeAws(http1.FakeUpstream):
    """`calls` has (service, operation, Scope, http1.Request) of every call whose signature held;
    `refused` the sigv4.Refused of the others."""

    def __init__(self, secrets=None, clock_offset=0, **kwargs):
        self.secrets = {KEY[0]: (KEY[1], None)} if secrets is None else dict(secrets)
        self.clock_offset = clock_offset
        self.calls = []
        self.refused = []
        self.objects = {}     # S3: path to (content type, bytes)
        self.messages = {}    # SQS: path of queue to list of bodies
        self.published = []   # SNS: (topic, message)
        self.tables = {}      # DynamoDB: table to list of items
        self.executions = []  # Step Functions: (state machine, input)
        self.events = []      # EventBridge: entries
        self.records = []     # Kinesis: (stream, key, bytes)
        self.trusted_roles = None  # STS: ARNs that may be assumed; None: all
        self.session_seconds = 3600
        self.container_token = None
        self.issued = 0
        self._lock = threading.Lock()
        super().__init__(self._serve, **kwargs)

    def operations(self):
        return [operation for _, operation, _, _ in self.calls]

    # ---- Dispatch.

    def _serve(self, request):
        path = request.target.partition("?")[0]
        with self._lock:
            if path.startswith("/latest/"):
                return self._metadata(request, path)
            if path.startswith("/container-credentials"):
                if request.value("authorization") != self.container_token:
                    return http1.Reply(401, [], b"")
                return self._json(self._issue_json())
            form = dict(urllib.parse.parse_qsl(request.body.decode("latin-1"), True))
            if form.get("Action") == "AssumeRoleWithWebIdentity":
                return self._web_identity(form)
            claimed = sigv4.scope_of(request)
            service = claimed.service if claimed else "?"
            try:
                scope = sigv4.check(request, self.secrets, self.clock_offset)
                return getattr(self, "_" + service)(request, scope, path, form)
            except sigv4.Refused as refusal:
                self.refused.append(refusal)
                return self._error(service, 403, refusal.code, refusal.message)
            except _Error as error:
                return self._error(service, error.status, error.code, error.message)

    def _date(self):
        return ("Date", email.utils.formatdate(time.time() + self.clock_offset, usegmt=True))

    def _json(self, value, version="1.0", status=200, headers=()):
        return http1.Reply(status, [("Content-Type", "application/x-amz-json-" + version),
                                    ("x-amzn-RequestId", str(uuid.uuid4())), self._date(), *headers],
                           json.dumps(value).encode())

    def _text(self, text, status=200, content_type="text/xml"):
        return http1.Reply(status, [("Content-Type", content_type), self._date()], text.encode())

    def _error(self, service, status, code, message):
        if service in ("dynamodb", "states", "events", "kinesis", "appconfig"):
            return self._json({"__type": "com.amazonaws#" + code, "message": message}, "1.0",
                              400 if status == 403 else status, [("x-amzn-ErrorType", code)])
        error = "<Code>%s</Code><Message>%s</Message>" % (code, message.replace("<", "&lt;"))
        if service == "s3":
            return self._text("<Error>%s</Error>" % error, status, "application/xml")
        return self._text(_xml("ErrorResponse", "<Error>%s</Error>" % error), status)

    def _called(self, service, operation, scope, request):
        self.calls.append((service, operation, scope, request))

    def _target(self, request, prefix, scope, service):
        target = request.value("x-amz-target") or ""
        if not target.startswith(prefix + "."):
            raise _Error(400, "UnknownOperationException", target)
        kind = request.value("content-type") or ""
        if not kind.startswith("application/x-amz-json-1."):
            raise _Error(400, "UnknownOperationException", "Content-Type: " + kind)
        operation = target[len(prefix) + 1:]
        self._called(service, operation, scope, request)
        return operation, json.loads(request.body)

    # ---- Services.

    def _s3(self, request, scope, path, form):
        self._called("s3", request.method, scope, request)
        key = urllib.parse.unquote(path)
        if request.method == "PUT":
            self.objects[key] = (request.value("content-type"), request.body)
            return http1.Reply(200, [("ETag", '"e"'), self._date()], b"")
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return http1.Reply(204, [self._date()], b"")
        if key not in self.objects:
            raise _Error(404, "NoSuchKey", "The specified key does not exist.")
        kind, body = self.objects[key]
        headers = [("Content-Type", kind or "binary/octet-stream"), ("ETag", '"e"'), self._date()]
        return http1.Reply(200, headers, body)

    def _sqs(self, request, scope, path, form):
        query = dict(urllib.parse.parse_qsl(request.target.partition("?")[2], True))
        form = {**query, **form}
        action = form.get("Action", "?")
        self._called("sqs", action, scope, request)
        queue = self.messages.setdefault(path, [])
        if action == "SendMessage":
            queue.append(form["MessageBody"])
            inner = "<MessageId>m-%d</MessageId>" % len(queue)
        elif action == "ReceiveMessage":
            inner = "".join("<Message><Body>%s</Body></Message>" % body for body in queue)
        elif action in ("DeleteMessage", "PurgeQueue"):
            queue.clear()
            inner = ""
        else:
            raise _Error(400, "InvalidAction", action)
        return self._text(_xml(action + "Response", "<%sResult>%s</%sResult>" % (
            action, inner, action)))

    def _sns(self, request, scope, path, form):
        query = dict(urllib.parse.parse_qsl(request.target.partition("?")[2], True))
        form = {**query, **form}
        self._called("sns", form.get("Action"), scope, request)
        if form.get("Action") != "Publish":
            raise _Error(400, "InvalidAction", str(form.get("Action")))
        self.published.append((form["TopicArn"], form["Message"]))
        return self._text(_xml("PublishResponse", "<MessageId>p</MessageId>"))

    def _dynamodb(self, request, scope, path, form):
        operation, call = self._target(request, "DynamoDB_20120810", scope, "dynamodb")
        items = self.tables.setdefault(call["TableName"], [])
        if operation == "PutItem":
            items.append(call["Item"])
            return self._json({})
        if operation == "GetItem":
            found = [i for i in items if all(i.get(k) == v for k, v in call["Key"].items())]
            return self._json({"Item": found[-1]} if found else {})
        if operation == "Query":
            values = list(call["ExpressionAttributeValues"].values())
            found = [i for i in items if any(v in values for v in i.values())]
            return self._json({"Count": len(found), "Items": found})
        raise _Error(400, "UnknownOperationException", operation)

    def _states(self, request, scope, path, form):
        operation, call = self._target(request, "AWSStepFunctions", scope, "states")
        if operation == "StopExecution":
            return self._json({"stopDate": 1.0})
        self.executions.append((call["stateMachineArn"], call.get("input")))
        answer = {"executionArn": "arn:e%d" % len(self.executions), "startDate": 1.0}
        if operation == "StartSyncExecution":
            answer.update(status="SUCCEEDED", output=call.get("input", "{}"))
        return self._json(answer)

    def _events(self, request, scope, path, form):
        _, call = self._target(request, "AWSEvents", scope, "events")
        self.events += call["Entries"]
        return self._json({"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}, "1.1")

    def _kinesis(self, request, scope, path, form):
        _, call = self._target(request, "Kinesis_20131202", scope, "kinesis")
        self.records.append(
            (call["StreamName"], call["PartitionKey"], base64.b64decode(call["Data"])))
        return self._json({"SequenceNumber": "1", "ShardId": "s"}, "1.1")

    def _appconfig(self, request, scope, path, form):
        self._called("appconfig", "GetConfiguration", scope, request)
        return http1.Reply(200, [("Content-Type", "text/plain"), self._date()],
                           request.target.encode())

    # ---- Credentials.

    def _issue(self):
        """Keys that hold from now on: (id, secret, token, end)."""
        self.issued += 1
        key = "ASIA%012d" % self.issued
        self.secrets[key] = ("secret-%d" % self.issued, "token/%d+=" % self.issued)
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                            time.gmtime(time.time() + self.session_seconds))
        return (key, *self.secrets[key], end)

    def _issue_json(self):
        key, secret, token, end = self._issue()
        return {"Code": "Success", "AccessKeyId": key, "SecretAccessKey": secret, "Token": token,
                "Expiration": end}

    def _issue_xml(self, action):
        return self._text(_xml(action + "Response", (
            "<%sResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s"
            "</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>"
            "</Credentials></%sResult>") % (action, *self._issue(), action)))

    def _sts(self, request, scope, path, form):
        self._called("sts", form.get("Action"), scope, request)
        role = form["RoleArn"]
        if self.trusted_roles is not None and role not in self.trusted_roles:
            raise _Error(403, "AccessDenied", "not authorized to assume " + role)
        return self._issue_xml("AssumeRole")

    def _web_identity(self, form):
        self.calls.append(("sts", "AssumeRoleWithWebIdentity", None, form))
        return self._issue_xml("AssumeRoleWithWebIdentity")

    def _metadata(self, request, path):
        if path == "/latest/api/token":
            if request.method != "PUT":
                return http1.Reply(405, [], b"")
            return http1.Reply(200, [], b"metadata-token")
        if request.value("x-aws-ec2-metadata-token") != "metadata-token":
            return http1.Reply(401, [], b"")
        if path.endswith("/security-credentials/"):
            return http1.Reply(200, [], b"instance-role")
        return self._json(self._issue_json())
