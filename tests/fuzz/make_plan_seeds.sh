#!/usr/bin/env bash
# Writes tests/fuzz/corpus/plan_validator from the text forms below.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$root/tests/fuzz/corpus/plan_validator
mkdir -p "$out"
seed() { (cd "$root" && protoc --encode=headrace.proto.JobGraph proto/plan.proto) > "$out/$1.bin"; }

seed word_count <<'TEXT'
format_version: 1 job_name: "WordCount" settings { parallelism: 4 max_parallelism: 128 checkpoint_interval_ms: 60000 value_encoding_version: 1 }
operators { uid: "s" name: "lines" location { file: "job.py" line: 3 } source { kind: "kafka" options { key: "topic" value: "lines" } options { key: "property.security.protocol" value: "PLAINTEXT" } } }
operators { uid: "w" name: "words" inputs { uid: "s" } flat_map { pickled: "f" display_name: "split" } }
operators { uid: "k" name: "key" inputs { uid: "w" } key_by { pickled: "f" } }
operators { uid: "r" name: "count" inputs { uid: "k" } reduce { pickled: "f" } }
operators { uid: "o" name: "out" inputs { uid: "r" } sink { kind: "kafka" options { key: "topic" value: "counts" } } }
TEXT
seed diamond <<'TEXT'
format_version: 1
operators { uid: "s" source { kind: "generator" options { key: "count" value: "5" } } }
operators { uid: "a" inputs { uid: "s" } map { pickled: "f" } }
operators { uid: "b" inputs { uid: "s" partitioning: PARTITIONING_BROADCAST } parallelism: 3 filter { pickled: "f" } }
operators { uid: "u" inputs { uid: "a" } inputs { uid: "b" } union { } }
operators { uid: "o" inputs { uid: "u" } sink { kind: "print" } }
TEXT
seed collection <<'TEXT'
format_version: 1
operators { uid: "s" source { kind: "collection" payload: "\t\003\003\002\006\001a\010\001\000" } }
operators { uid: "o" inputs { uid: "s" } sink { kind: "collection" } }
archives { name: "files" sha256: "\343\260\304B\230\374\034\024\232\373\364\310\231o\271$\'\256A\344d\233\223L\244\225\231\033xR\270U" }
TEXT
seed cycle <<'TEXT'
format_version: 1
operators { uid: "s" source { kind: "generator" } }
operators { uid: "u" inputs { uid: "s" } inputs { uid: "m" } union { } }
operators { uid: "m" inputs { uid: "u" } map { pickled: "f" } }
operators { uid: "o" inputs { uid: "m" } sink { kind: "print" } }
TEXT
seed unknown_feature <<'TEXT'
format_version: 1 required_features: "teleport"
TEXT
seed large_parallelism <<'TEXT'
format_version: 1 settings { parallelism: 100000 max_parallelism: 32768 restart { kind: EXPONENTIAL initial_delay_ms: 5 max_delay_ms: 1 } }
operators { uid: "s" parallelism: 4294967295 source { kind: "file" options { key: "path" value: "/data" } } }
operators { uid: "o" inputs { uid: "s" partitioning: PARTITIONING_FORWARD } sink { kind: "blackhole" } }
TEXT
