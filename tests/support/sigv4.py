"""AWS Signature Version 4 as a service checks it, written from its specification alone: the
independent second opinion on what the gateway signs."""

import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})\Z")


class Refused(Exception):
    """The signature does not hold; `code` as AWS names it."""

    def __init__(self, code, message=""):
        super().__init__("%s: %s" % (code, message))
        self.code = code
        self.message = message


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def canonical_path(path, service):
    """S3 decodes and encodes once; everybody else tidies up and encodes what is encoded again."""
    if service == "s3":
        return _quote(urllib.parse.unquote_to_bytes(path), "/") or "/"
    segments = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    tidy = "/" + "/".join(segments)
    if path.endswith(("/", "/.", "/..")) and tidy != "/":
        tidy += "/"
    return _quote(tidy, "/")


def canonical_query(query):
    pairs = []
    for piece in filter(None, query.split("&")):
        name, _, value = piece.partition("=")
        pairs.append((_quote(urllib.parse.unquote_plus(name)),
                      _quote(urllib.parse.unquote_plus(value))))
    return "&".join("%s=%s" % pair for pair in sorted(pairs))


class Scope:
    """Who signed, and for what."""

    def __init__(self, access_key_id, date, region, service):
        self.access_key_id = access_key_id
        self.date = date
        self.region = region
        self.service = service


def scope_of(request):
    """The Scope that a request claims, or None if it is not signed."""
    match = _AUTHORIZATION.match(request.value("authorization") or "")
    return Scope(*match.groups()[:4]) if match else None


def check(request, secrets, clock_offset=0):
    """Checks the signature of an http1.Request. `secrets` gives for an access key id a pair of the
    secret and the session token (None without one). Gives the Scope, or raises Refused."""
    match = _AUTHORIZATION.match(request.value("authorization") or "")
    if not match:
        raise Refused("IncompleteSignature", repr(request.value("authorization")))
    access_key_id, date, region, service, signed, signature = match.groups()
    if access_key_id not in secrets:
        raise Refused("InvalidClientTokenId", access_key_id)
    secret, token = secrets[access_key_id]
    if request.value("x-amz-security-token") != token:
        raise Refused("InvalidClientTokenId", "the session token is another")
    amz_date = request.value("x-amz-date") or ""
    if not amz_date.startswith(date):
        raise Refused("SignatureDoesNotMatch", "the date of the scope is another")
    sent = calendar.timegm(time.strptime(amz_date, "%Y%m%dT%H%M%SZ"))
    if abs(time.time() + clock_offset - sent) > 300:
        raise Refused("RequestTimeTooSkewed", amz_date)
    names = signed.split(";")
    must = {"host", "x-amz-date"} | {n for n in request.names() if n.startswith("x-amz-")}
    if not must <= set(names):
        raise Refused("SignatureDoesNotMatch", "not signed: %s" % (must - set(names)))
    digest = hashlib.sha256(request.body).hexdigest()
    if service == "s3" and request.value("x-amz-content-sha256") != digest:
        raise Refused("XAmzContentSHA256Mismatch", str(request.value("x-amz-content-sha256")))
    path, _, query = request.target.partition("?")
    canonical = "\n".join(
        [request.method, canonical_path(path, service), canonical_query(query)]
        + ["%s:%s" % (name, ",".join(re.sub(r" +", " ", v) for v in request.values(name)))
           for name in names]
        + ["", signed, digest])
    scope = "%s/%s/%s/aws4_request" % (date, region, service)
    to_sign = "\n".join(["AWS4-HMAC-SHA256", amz_date, scope,
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = _hmac(key, part)
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise Refused("SignatureDoesNotMatch", canonical)
    return Scope(access_key_id, date, region, service)
