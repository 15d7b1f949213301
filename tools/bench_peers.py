"""The proxies that tools/bench measures: how each is told to do the same work with one worker.

Every function takes a Site and gives a command line. The work is named by the scenario:

  plain   HTTP/1.1 to an HTTP/1.1 upstream
  tls     the same, TLS towards the client
  h2      HTTP/2 without TLS, by prior knowledge, to an HTTP/1.1 upstream
  mock    HTTP/1.1, answered without an upstream
"""

import dataclasses
import json
import os
import subprocess
import textwrap

SCENARIOS = ("plain", "tls", "h2", "mock")

_NO_LIMIT = 100000000  # requests a connection may carry


@dataclasses.dataclass
class Site:
    """Where a proxy runs and what it is in front of."""

    scenario: str
    folder: str  # for files of its own
    port: int
    upstream: int  # port of the upstream
    body: str  # what the upstream answers, and a mock too
    certificate: str  # PEM files
    key: str
    both: str  # certificate and key in one file
    postern: list  # program and further arguments

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(textwrap.dedent(text))
        return path


def nginx(site):
    listen = {"tls": " ssl", "h2": " http2"}.get(site.scenario, "")
    work = "default_type application/json; return 200 '%s';" % site.body
    if site.scenario != "mock":
        work = """proxy_pass http://upstream; proxy_http_version 1.1;
              proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;"""
    return ["nginx", "-c", site.write("nginx.conf", f"""
        worker_processes 1;
        daemon off;
        pid {site.folder}/nginx.pid;
        error_log {site.folder}/nginx.log;
        events {{ worker_connections 8192; }}
        http {{
          access_log off;
          keepalive_requests {_NO_LIMIT};
          client_body_temp_path {site.folder}; proxy_temp_path {site.folder};
          fastcgi_temp_path {site.folder}; uwsgi_temp_path {site.folder}; scgi_temp_path {site.folder};
          upstream upstream {{
            server 127.0.0.1:{site.upstream};
            keepalive 256; keepalive_requests {_NO_LIMIT};
          }}
          server {{
            listen 127.0.0.1:{site.port}{listen};
            ssl_certificate {site.certificate}; ssl_certificate_key {site.key};
            location / {{
              {work}
            }}
          }}
        }}
        """)]


def upstream(site):
    """The upstream itself: nginx with a fixed answer."""
    return ["nginx", "-c", site.write("upstream.conf", f"""
        worker_processes 1;
        daemon off;
        pid {site.folder}/upstream.pid;
        error_log {site.folder}/upstream.log;
        events {{ worker_connections 8192; }}
        http {{
          access_log off;
          keepalive_requests {_NO_LIMIT}; keepalive_timeout 600s;
          client_body_temp_path {site.folder}; proxy_temp_path {site.folder};
          fastcgi_temp_path {site.folder}; uwsgi_temp_path {site.folder}; scgi_temp_path {site.folder};
          server {{
            listen 127.0.0.1:{site.port} backlog=4096;
            location / {{ default_type application/json; return 200 '{site.body}'; }}
          }}
        }}
        """)]


def haproxy(site):
    bind = {"tls": " ssl crt " + site.both, "h2": " proto h2"}.get(site.scenario, "")
    answer = ""
    if site.scenario == "mock":
        answer = "http-request return status 200 content-type application/json string '%s'" % site.body
    return ["haproxy", "-db", "-f", site.write("haproxy.cfg", f"""
        global
          nbthread 1
          maxconn 8192
        defaults
          mode http
          timeout client 60s
          timeout server 60s
          timeout connect 5s
          http-reuse always
        frontend bench
          bind 127.0.0.1:{site.port}{bind}
          option forwardfor
          {answer}
          default_backend upstream
        backend upstream
          server one 127.0.0.1:{site.upstream}
        """)]


def nghttpx(site):
    if site.scenario == "mock":
        return None
    command = ["nghttpx", "--conf=/dev/null", "--workers=1", "--no-ocsp",
               "--accesslog-file=/dev/null", "--errorlog-file=%s/nghttpx.log" % site.folder,
               "--backend=127.0.0.1,%d" % site.upstream]
    if site.scenario == "tls":
        return command + ["--frontend=127.0.0.1,%d" % site.port, site.key, site.certificate]
    return command + ["--frontend=127.0.0.1,%d;no-tls" % site.port]


def h2o(site):
    if site.scenario == "mock":
        return None
    tls = ""
    if site.scenario == "tls":
        tls = "\n            ssl: { key-file: %s, certificate-file: %s }" % (site.key, site.certificate)
    return ["h2o", "-c", site.write("h2o.conf", f"""
        num-threads: 1
        listen:
            host: 127.0.0.1
            port: {site.port}{tls}
        hosts:
          default:
            paths:
              /:
                proxy.reverse.url: http://127.0.0.1:{site.upstream}/
                proxy.timeout.keepalive: 60000
        """)]


def floor(site):
    if site.scenario != "plain":
        return None
    program = os.path.join(site.folder, "floor")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_floor.c")
    subprocess.run(["gcc", "-O2", "-o", program, source], check=True)
    return [program, str(site.port), str(site.upstream)]


def _definition(integration, parameters=()):
    """An OpenAPI document with one integration for every path and method."""
    operation = {"responses": {"200": {"description": ""}},
                 "x-amazon-apigateway-integration": integration}
    if parameters:
        operation["parameters"] = list(parameters)
    return json.dumps({
        "openapi": "3.0.1",
        "info": {"title": "bench", "version": "1"},
        "paths": {"/{proxy+}": {"x-amazon-apigateway-any-method": operation}},
    })


_PROXY_PARAMETER = {
    "name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}


def _postern(site, definition):
    command = site.postern[:1] + ["run", site.write("bench.json", definition)]
    command += ["--listen", "127.0.0.1:%d" % site.port, "--admin", "127.0.0.1:0", "--workers", "1"]
    if site.scenario == "tls":
        command += ["--tls-cert", site.certificate, "--tls-key", site.key]
    return command + site.postern[1:]


def _postern_proxying(site):
    return _postern(site, _definition({
        "type": "http_proxy",
        "httpMethod": "ANY",
        "uri": "http://127.0.0.1:%d/{proxy}" % site.upstream,
        "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
    }, [_PROXY_PARAMETER]))


def postern(site):
    if site.scenario != "mock":
        return _postern_proxying(site)
    return _postern(site, _definition({
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "passthroughBehavior": "when_no_match",
        "responses": {"default": {
            "statusCode": "200",
            "responseTemplates": {"application/json": site.body},
        }},
    }, [_PROXY_PARAMETER]))


def postern_proxied(site):
    """Beside a mock: the same request, proxied."""
    return _postern_proxying(site) if site.scenario == "mock" else None


# In the order in which they take turns. A function gives None where the scenario is not for it.
PEERS = {
    "floor": floor,
    "nginx": nginx,
    "haproxy": haproxy,
    "nghttpx": nghttpx,
    "h2o": h2o,
    "postern": postern,
    "postern-proxied": postern_proxied,
}

# What must hold: (scenario, whose cost, in proportion to whose, at most).
TARGETS = (
    ("plain", "postern", "nginx", 0.95),
    ("tls", "postern", "nginx", 1.0),
    ("h2", "postern", "haproxy", 1.0),
    ("mock", "postern", "postern-proxied", 0.6),
)
