#!/usr/bin/env python3
"""The Lambda function `pets` of the petstore, and the shop behind its proxy route.

Serves what a container's Runtime Interface Emulator serves: POST to
/2015-03-31/functions/function/invocations with the event as body, one invocation at a time (a
second one is refused with 400), the result as body, errors as 200 with errorMessage and errorType.
Every other path belongs to the shop, which answers with the request it got.

    function.py [--host 127.0.0.1] [--port 9001]     port 0 takes a free one; it is printed
"""

import argparse
import base64
import itertools
import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

INVOCATIONS = "/2015-03-31/functions/function/invocations"
MAX_BODY = 10 * 1024 * 1024

pets = {
    "1": {"id": "1", "name": "Rex", "kind": "dog"},
    "2": {"id": "2", "name": "Mia", "kind": "cat"},
    "3": {"id": "3", "name": "Bubbles", "kind": "fish"},
}
next_id = itertools.count(4)
MAX_PETS = 1000


def answer(status, body=None):
    """A proxy result, as the function's contract has it."""
    result = {
        "statusCode": status,
        "headers": {"Access-Control-Allow-Origin": "*"},
        "isBase64Encoded": False,
    }
    if body is not None:
        result["headers"]["Content-Type"] = "application/json"
        result["body"] = json.dumps(body)
    return result


def list_pets(event):
    kind = (event.get("queryStringParameters") or {}).get("kind")
    return answer(200, [pet for pet in pets.values() if kind in (None, pet["kind"])])


def create_pet(event):
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode("utf-8", "replace")
    try:
        wanted = json.loads(body)
    except ValueError:
        return answer(400, {"message": "The body is not JSON"})
    name = wanted.get("name") if isinstance(wanted, dict) else None
    if not isinstance(name, str) or not name:
        return answer(400, {"message": "A pet needs a name"})
    if len(pets) >= MAX_PETS:
        return answer(507, {"message": "The house is full"})
    pet = {"id": str(next(next_id)), "name": name, "kind": str(wanted.get("kind", "unknown"))}
    pets[pet["id"]] = pet
    return answer(201, pet)


def get_pet(event):
    pet = pets.get(event["pathParameters"]["id"])
    return answer(200, pet) if pet else answer(404, {"message": "No such pet"})


def remove_pet(event):
    gone = pets.pop(event["pathParameters"]["id"], None)
    return answer(204) if gone else answer(404, {"message": "No such pet"})


ROUTES = {
    ("GET", "/pets"): list_pets,
    ("POST", "/pets"): create_pet,
    ("GET", "/pets/{id}"): get_pet,
    ("DELETE", "/pets/{id}"): remove_pet,
}


def handler(event):
    """What would be deployed to Lambda."""
    return ROUTES[event["httpMethod"], event["resource"]](event)


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120
    busy = threading.Lock()

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def reply(self, status, payload, content_type="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                if len(body) + size > MAX_BODY:
                    raise ValueError("too large")
                chunk = self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return body
                body += chunk
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            raise ValueError("too large")
        return self.rfile.read(length)

    def serve(self):
        try:
            body = self.read_body()
        except ValueError:
            self.close_connection = True
            self.reply(413, b'{"message":"too large"}')
            return
        if self.command == "POST" and urlsplit(self.path).path == INVOCATIONS:
            self.invoke(body)
        else:
            self.shop(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

    def invoke(self, body):
        if not Endpoint.busy.acquire(blocking=False):
            print("function: busy, refused an invocation", flush=True)
            self.reply(400, b"invoke in progress: the function is already reserved", "text/plain")
            return
        try:
            try:
                event = json.loads(body)
                print(f"function: {event.get('httpMethod')} {event.get('path')}", flush=True)
                print(json.dumps(event, indent=2), flush=True)
                result = handler(event)
            except Exception as error:  # the emulator turns whatever is thrown into this
                print(f"function: failed, {error!r}", flush=True)
                result = {"errorMessage": str(error), "errorType": type(error).__name__}
        finally:
            Endpoint.busy.release()
        self.reply(200, json.dumps(result).encode())

    def shop(self, body):
        print(f"shop: {self.command} {self.path}", flush=True)
        seen = {
            "shop": "open",
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers.items()),
            "body": body.decode("utf-8", "replace"),
        }
        self.reply(200, json.dumps(seen).encode())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9001)
    arguments = parser.parse_args()
    server = Server((arguments.host, arguments.port), Endpoint)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"function: listening on http://{arguments.host}:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
