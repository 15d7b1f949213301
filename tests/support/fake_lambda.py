"""A Lambda service behind the Invoke API (POST /2015-03-31/functions/{name}/invocations)."""

import dataclasses
import json
import re
import urllib.parse

from tests.support import http1

_PATH = re.compile(r"/2015-03-31/functions/([^/?]+)/invocations(\?.*)?\Z")


@dataclasses.dataclass
class Invocation:
    """One call: the function named in the path, the decoded event, and the HTTP request."""

    function: str
    event: object
    request: http1.Request


@dataclasses.dataclass
class FunctionError:
    """The function failed: 200 with X-Amz-Function-Error and an error object as payload."""

    message: str = "boom"
    type: str = "Error"
    kind: str = "Unhandled"

    def reply(self):
        payload = {"errorMessage": self.message, "errorType": self.type, "trace": []}
        return http1.Reply(200, [("X-Amz-Function-Error", self.kind)] + _JSON,
                           json.dumps(payload).encode())


@dataclasses.dataclass
class InvokeError:
    """Lambda itself refuses the call, for example with 429 TooManyRequestsException."""

    status: int = 429
    type: str = "TooManyRequestsException"
    message: str = "Rate Exceeded."

    def reply(self):
        payload = {"Type": "User", "message": self.message}
        return http1.Reply(self.status, [("X-Amzn-ErrorType", self.type)] + _JSON,
                           json.dumps(payload).encode())


_JSON = [("Content-Type", "application/json")]


class FakeLambda(http1.FakeUpstream):
    """Answers invocations by `script`: a function of the Invocation that gives

    - a value that JSON can say: the function's result,
    - bytes: the payload of the result, whatever they are,
    - a FunctionError or InvokeError,
    - an http1.Reply or an action of http1 (close, reset, silent, after(...), truncated(...)).

    Every call is in `invocations`. Anything but an invocation is an error of the test.
    """

    def __init__(self, script=None, **kwargs):
        self._answer = script or (lambda invocation: {"statusCode": 200, "body": "ok"})
        self.invocations = []
        super().__init__(self._invoke, **kwargs)

    def wait_for_invocations(self, count):
        self.wait_until(lambda: len(self.invocations) >= count)
        return self.invocations

    def _invoke(self, request):
        match = _PATH.match(request.target)
        if request.method != "POST" or not match:
            raise AssertionError("no invocation: %s %s" % (request.method, request.target))
        invocation = Invocation(
            urllib.parse.unquote(match.group(1)), json.loads(request.body), request)
        with self._changed:
            self.invocations.append(invocation)
            self._changed.notify_all()
        answer = self._answer(invocation)
        if isinstance(answer, (FunctionError, InvokeError)):
            return answer.reply()
        if isinstance(answer, http1.Reply) or callable(answer):
            return answer
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return http1.Reply(200, list(_JSON), payload)
