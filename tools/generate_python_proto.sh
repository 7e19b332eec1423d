#!/usr/bin/env bash
# Writes python/headrace/_proto/plan_pb2.py from proto/plan.proto. The file's name inside the descriptor pool is
# headrace/_proto/plan.proto, so that it cannot clash with a plan.proto of the user's own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
protoc=${PROTOC:-protoc}
if ! command -v "$protoc" >/dev/null; then
  echo "protoc is missing: apt-get install protobuf-compiler (or set PROTOC)" >&2
  exit 1
fi
out=$root/python/headrace/_proto
mkdir -p "$out"
"$protoc" -I "headrace/_proto=$root/proto" --python_out="$root/python" --pyi_out="$root/python" headrace/_proto/plan.proto
printf '"""Generated from proto/plan.proto by tools/generate_python_proto.sh."""\n' > "$out/__init__.py"
