"""Every message and field of proto/ is documented, and what is not would be found."""

import os
import unittest

from tools import check_protos

_DOCUMENTED = """// What it is for.
syntax = "proto3";

package a;

// Calls.
service S {
  // One.
  rpc Get(GetRequest) returns (stream M);
}

// M.
message M {
  reserved 4;

  // A.
  repeated string a = 1;  // more

  // O.
  oneof o {
    // B, in
    // two lines.
    string b = 2 [deprecated = true];
  }

  // E.
  enum E {
    // Zero; not a "statement {".
    E_ZERO = 0;
  }

  // Of several lines.
  map<string,
      string> m = 5;
}
"""


class CheckProtosTest(unittest.TestCase):

    def test_the_tree_is_documented(self):
        here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        self.assertTrue(os.path.exists(os.path.join(here, "proto", "snapshot", "snapshot.proto")))
        self.assertEqual(check_protos.check_tree(here), [])

    def test_what_is_documented_passes(self):
        self.assertEqual(check_protos.check_text(_DOCUMENTED), [])

    def test_each_missing_comment_is_found(self):
        lines = _DOCUMENTED.split("\n")
        comments = [i for i, line in enumerate(lines) if line.strip().startswith("//")]
        self.assertEqual(len(comments), 11)
        for i in comments:
            left = "\n".join(lines[:i] + lines[i + 1:])
            found = check_protos.check_text(left)
            # Of two lines, one will do.
            self.assertEqual(len(found), 0 if "B, in" in lines[i] or "two lines" in lines[i] else 1,
                             lines[i])

    def test_a_comment_must_be_directly_above_and_say_something(self):
        for above in ("// Far.\n\n", "// ----\n", "string before = 1;  // Beside.\n"):
            text = "// File.\nmessage_before;\n// M.\nmessage M {\n%s  string a = 2;\n}\n" % above
            found = [what for _, what in check_protos.check_text(text)]
            self.assertIn("string a = 2", found, above)


if __name__ == "__main__":
    unittest.main()
