#!/usr/bin/env bash
# The product's images for a test: with --from-source exactly as a user gets them from deployment/docker/Dockerfile, else with
# build/release in place of that file's build stage, which saves the compilation. Everything behind that stage is the same.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. tools/versions.env
dockerfile=deployment/docker/Dockerfile

build() { # context dockerfile
  local target log; log=$(mktemp)
  for target in jobmanager taskmanager; do
    DOCKER_BUILDKIT=0 docker build -f "$2" --target "$target" -t "stream-processing/$target:latest" "$1" >"$log" 2>&1 || { tail -n 30 "$log" >&2; rm -f "$log"; exit 1; }
    echo "stream-processing/$target:latest: $(docker image inspect -f '{{.Size}}' "stream-processing/$target:latest" | awk '{printf "%.0f MB", $1 / 1e6}')"
  done
  rm -f "$log"
}

if [ "${1:-}" = --from-source ]; then
  build . "$dockerfile"
  exit
fi
binary=${HEADRACE_BINARY:-build/release/headrace}
[ -x "$binary" ] || { echo "build_images: $binary is missing; run ./dev build first" >&2; exit 1; }
context=$(mktemp -d); trap 'rm -rf "$context"' EXIT
mkdir -p "$context/prebuilt/wheels" "$context/deployment"
cp -r deployment/docker "$context/deployment/"
cp "$binary" "$context/prebuilt/headrace"; strip --strip-debug "$context/prebuilt/headrace"
cp -rL "$(dirname "$binary")/lib" "$context/prebuilt/lib"
cp -r python proto tools "$context/"; rm -rf "$context/python/build"
.venv/bin/pip wheel -q --no-deps --no-build-isolation -w "$context/prebuilt/wheels" "$context/python"
.venv/bin/pip download -q --no-deps -d "$context/prebuilt/wheels" --only-binary :all: --python-version 3.11 "cloudpickle==$CLOUDPICKLE_VERSION" "protobuf==$PROTOBUF_PY_VERSION"
awk '/^# -- build:/ { print; replaced = 1
       print "FROM debian:bookworm-slim AS build"
       print "RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*"
       print "COPY prebuilt /opt/headrace"
       print "RUN python3 -m venv /opt/headrace/.venv && /opt/headrace/.venv/bin/pip install -q --no-index --no-deps /opt/headrace/wheels/*.whl && rm -rf /opt/headrace/wheels"
       skip = 1; next }
     /^# -- end of build/ { skip = 0 }
     !skip { print }
     END { exit !replaced }' "$dockerfile" >"$context/Dockerfile"
build "$context" "$context/Dockerfile"
