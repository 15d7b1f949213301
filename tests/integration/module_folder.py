"""Filter modules for a test: a folder as an operator keeps it, and definitions that use it."""

import hashlib
import os

_BUILT = {
    "versioned_1": "tests/integration/modules/versioned_1.so",
    "versioned_2": "tests/integration/modules/versioned_2.so",
}


def built(name):
    """Path of a module that was built for tests."""
    return os.path.abspath(_BUILT.get(name, "core/filter/testdata/%s.so" % name))


def content(name):
    with open(built(name), "rb") as file:
        return file.read()


def digest(data):
    return hashlib.sha256(data).hexdigest()


class ModuleFolder:
    """A folder of modules that only its owner may write."""

    def __init__(self, parent, name="modules"):
        self.path = os.path.join(parent, name)
        os.mkdir(self.path, 0o755)

    def put(self, data, name="module.so"):
        """Installs the module `data` (its name, or its bytes) by a rename; gives the path."""
        if isinstance(data, str):
            data = content(data)
        path = os.path.join(self.path, name)
        with open(path + ".new", "wb") as out:
            out.write(data)
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)
        return path


def definition(filters=(), methods=None, **fields):
    """An OpenAPI document with GET /x (a mock) and these filters; `methods` are filters of methods
    of /x by name."""

    def operation(own):
        made = {
            "responses": {"200": {"description": "ok"}},
            "x-amazon-apigateway-integration": {
                "type": "mock",
                "requestTemplates": {"application/json": '{"statusCode": 200}'},
                "responses": {"default": {"statusCode": "200"}},
            },
        }
        if own:
            made["x-postern-filters"] = own
        return made

    document = {
        "openapi": "3.0.1",
        "info": {"title": "filtered", "version": "1"},
        "paths": {"/x": {m: operation(f) for m, f in (methods or {"get": None}).items()}},
        **fields,
    }
    if filters:
        document["x-postern-filters"] = list(filters)
    return document


def versioned(text="one", **fields):
    """The filter of modules/versioned.c."""
    return {"name": "v", "module": "test.versioned", "point": "request", "config": {"text": text},
            **fields}


def probe(**fields):
    """A filter of core/filter/testdata/probe.c."""
    return {"name": "p", "module": "test.probe", "point": "response", **fields}
