#!/usr/bin/env bash
# Runs the Kafka connector tests against a broker of their own: tests/connector_kafka/run.sh PROGRAM [gtest arguments]
# The broker lives in a fresh folder below TMPDIR (or /tmp) and ends with the tests; the tests stop and start it themselves.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tools" && pwd)
program=$1; shift
folder=$(mktemp -d "${TMPDIR:-/tmp}/headrace-kafka-XXXXXX")
trap '"$tools/kafka_local.sh" stop "$folder" || true; rm -rf "$folder"' EXIT
"$tools/kafka_local.sh" start "$folder" >/dev/null
HEADRACE_TEST_KAFKA_SCRIPT=$tools/kafka_local.sh HEADRACE_TEST_KAFKA_DIR=$folder "$program" "$@"
