"""An upstream that closes the connections it keeps, without saying so, costs no request, and nothing
that may not be repeated is sent twice (RFC 9110 9.2.2)."""

import unittest

from tests.support import harness, http1, load


def _post(number):
    return http1.encode_request("POST", body=b"unique-%d" % number)


class PooledConnectionsTest(harness.TestCase):

    def run_load(self, upstream, limit, **kwargs):
        gateway = self.start_postern(
            self.write("proxy.json", harness.proxy_definition(upstream.url)))
        with load.Load(gateway.address(), connections=16, limit=limit, **kwargs).start() as clients:
            clients.wait_for(limit, timeout=120)
            self.assertEqual(clients.broken, [])
            return clients.statuses

    def test_4000_gets_all_succeed(self):
        with load.Upstream(close_after=5) as upstream:
            self.assertEqual(dict(self.run_load(upstream, 4000)), {200: 4000})
            self.assertGreater(upstream.accepted, 500)

    def test_no_post_is_sent_twice(self):
        with load.Upstream(close_after=3) as upstream:
            statuses = self.run_load(upstream, 2000, request=_post)
            self.assertEqual([b for b, n in upstream.bodies.items() if n > 1], [])
            # One that met a closing connection may have been received or not, so it is not repeated,
            # and the client is told.
            self.assertLessEqual(set(statuses), {200, 504})
            print("POSTs:", dict(statuses))


if __name__ == "__main__":
    unittest.main()
