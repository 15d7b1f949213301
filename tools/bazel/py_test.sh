#!/usr/bin/env bash
# Runs one unittest file; modules are imported from the repository root.
set -eu
exec env PYTHONPATH=. PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
  /usr/bin/python3 tools/bazel/unittest_main.py "$@"
