#!/usr/bin/env bash
# Images under the names that deployment/docker-compose.yml uses, for machines that cannot pull them: built from Debian packages
# and from Kafka's jars on Maven Central. For trying the deployment only; `list` says what each one really is.
#
#   tools/standin_images.sh [NAME...]    NAME: base postgres kafka prometheus (default: all); an image whose recipe is unchanged stays
#   tools/standin_images.sh list         the stand-ins of this engine
#
#   base        debian:bookworm-slim      Debian 12 by debootstrap
#   postgres    postgres:17               Debian's PostgreSQL 15 behind the official image's environment variables
#   kafka       apache/kafka:4.1.0        the broker's jars of tools/versions.env and Debian's Java; KAFKA_* by Kafka's own wrapper
#   prometheus  prom/prometheus:latest    Debian's Prometheus 2.42
# There is none for Grafana. An image of the same name that is no stand-in is never replaced.
# Needs a Docker engine, debootstrap (base; as root) and what tools/kafka_local.sh needs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/versions.env"
LABEL=headrace.standin
BASE=debian:bookworm-slim
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

fail() { echo "standin_images: $1" >&2; [ $# -lt 2 ] || echo "                $2" >&2; exit 1; }
need() { command -v "$1" >/dev/null || fail "$1 is missing" "apt-get install $2"; }
usage() { sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit "$1"; }
label_of() { docker image inspect -f "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null; }
digest_of() { { declare -f "make_$1"; cat "$here/versions.env"; [ "$1" = base ] || label_of "$BASE" $LABEL.recipe; } | sha256sum | cut -c1-20; }
name_of() {
  case $1 in base) echo $BASE ;; postgres) echo postgres:17 ;; kafka) echo apache/kafka:4.1.0 ;; prometheus) echo prom/prometheus:latest ;; *) return 1 ;; esac
}
# finish NAME WHAT: the Dockerfile comes on standard input, its context is $work/context
finish() {
  cat >"$work/context/Dockerfile"
  docker build -q -t "$(name_of "$1")" --label "$LABEL.recipe=$recipe" --label "$LABEL.what=$2" "$work/context" >"$work/build.log" 2>&1 ||
    { tail -n 20 "$work/build.log" >&2; fail "the image for $1 did not build"; }
}

make_base() {
  need debootstrap debootstrap
  local root=$work/root
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$work/debootstrap.log" 2>&1 || { tail -n 5 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
  # The machine's own package sources and certificate authorities: a mirror or a proxy counts inside as it does outside.
  if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
    rm -rf "$root"/etc/apt/sources.list*
    cp -a /etc/apt/sources.list* "$root/etc/apt/"
  fi
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  # Also where update-ca-certificates looks: an upgrade of the package writes the bundle anew.
  if [ -d /usr/local/share/ca-certificates ]; then mkdir -p "$root/usr/local/share/ca-certificates"; cp -rL /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"; fi
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
  tar -C "$root" -c . | docker import -c 'CMD ["bash"]' -c "LABEL $LABEL.recipe=$recipe $LABEL.what=Debian-12-by-debootstrap" - $BASE >/dev/null
}

make_postgres() {
  cat >"$work/context/entrypoint.sh" <<'SH'
#!/bin/bash
# The part of the official image's contract that Compose files use: POSTGRES_USER, POSTGRES_PASSWORD(_FILE), POSTGRES_DB, PGDATA.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" && chown postgres "$PGDATA" && chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres} db=${POSTGRES_DB:-${POSTGRES_USER:-postgres}} password=${POSTGRES_PASSWORD:-}
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")
  [ -n "$password" ] || { echo "POSTGRES_PASSWORD is not set" >&2; exit 1; }
  initdb -U "$user" -A scram-sha-256 --pwfile=<(echo "$password") >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl -w -s -o "-c listen_addresses= -c unix_socket_directories=/tmp" start
  if [ "$db" != postgres ]; then PGPASSWORD=$password createdb -h /tmp -U "$user" "$db"; fi
  pg_ctl -w -s -m fast stop
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql,/tmp "$@"
SH
  chmod 755 "$work/context/entrypoint.sh"
  finish postgres "Debian's PostgreSQL 15" <<DOCKER
FROM $BASE
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-common \
 && sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 PGDATA=/var/lib/postgresql/data
COPY entrypoint.sh /usr/local/bin/
RUN mkdir -p /var/lib/postgresql/data && chown postgres: /var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["entrypoint.sh"]
DOCKER
}

make_kafka() {
  "$here/kafka_local.sh" fetch >&2
  cp -r "${KAFKA_LOCAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/kafka-$KAFKA_VERSION/lib" "$work/context/libs"
  cat >"$work/context/defaults.properties" <<'PROPERTIES'
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://localhost:9092
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=/tmp/kraft-combined-logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
PROPERTIES
  cat >"$work/context/log4j2.yaml" <<'YAML'
Configuration:
  Appenders: {Console: {name: OUT, PatternLayout: {pattern: "%d %p %m (%c)%n"}}}
  Loggers: {Root: {level: INFO, AppenderRef: {ref: OUT}}}
YAML
  cat >"$work/context/run" <<'SH'
#!/bin/bash
# Kafka's own wrapper turns KAFKA_* into server.properties and formats the storage.
set -euo pipefail
export CLUSTER_ID=${CLUSTER_ID:-aGVhZHJhY2UtY29tcG9zZQ}
setup() {
  java -Xmx128m -Dlog4j2.configurationFile=/etc/kafka/docker/tools-log4j2.yaml -cp '/opt/kafka/libs/*' kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config 2>&1
}
if ! said=$(setup) && ! grep -q 'already formatted' <<<"$said"; then echo "$said" >&2; exit 1; fi
exec java ${KAFKA_HEAP_OPTS:--Xmx1G} -XX:+UseG1GC -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.yaml -cp '/opt/kafka/libs/*' kafka.Kafka /opt/kafka/config/server.properties
SH
  chmod 755 "$work/context/run"
  finish kafka "Apache Kafka $KAFKA_VERSION from Maven Central" <<DOCKER
FROM $BASE
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless netcat-openbsd && rm -rf /var/lib/apt/lists/* \
 && useradd -u 1000 -m appuser
COPY libs /opt/kafka/libs
COPY run log4j2.yaml /etc/kafka/docker/
COPY defaults.properties /etc/kafka/docker/server.properties
RUN sed 's/level: INFO/level: WARN/' /etc/kafka/docker/log4j2.yaml >/etc/kafka/docker/tools-log4j2.yaml \
 && mkdir -p /opt/kafka/config /mnt/shared/config /var/lib/kafka/data && cp /etc/kafka/docker/*.yaml /opt/kafka/config/ \
 && chown -R appuser /opt/kafka/config /mnt/shared /var/lib/kafka
USER appuser
VOLUME /var/lib/kafka/data
EXPOSE 9092
CMD ["/etc/kafka/docker/run"]
DOCKER
}

make_prometheus() {
  finish prometheus "Debian's Prometheus" <<DOCKER
FROM $BASE
RUN apt-get update && apt-get install -y --no-install-recommends prometheus busybox && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /prometheus && chown nobody /prometheus && ln -s /usr/bin/prometheus /usr/bin/promtool /bin/ 2>/dev/null; ln -s /bin/busybox /usr/local/bin/wget
USER nobody
WORKDIR /prometheus
VOLUME /prometheus
EXPOSE 9090
ENTRYPOINT ["prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
DOCKER
}

make() {
  local name image start=$SECONDS
  name=$1
  image=$(name_of "$name") || fail "no image $name" "names: base postgres kafka prometheus"
  if docker image inspect "$image" >/dev/null 2>&1 && [ -z "$(label_of "$image" $LABEL.what)" ]; then echo "$image is there and is no stand-in: left alone"; return; fi
  [ "$name" = base ] || docker image inspect $BASE >/dev/null 2>&1 || make base
  recipe=$(digest_of "$name")
  if [ "$(label_of "$image" $LABEL.recipe)" = "$recipe" ]; then echo "$image is there"; return; fi
  rm -rf "$work"/context "$work"/root; mkdir -p "$work/context"
  "make_$name"
  echo "$image made in $((SECONDS - start)) s: $(label_of "$image" $LABEL.what)"
}

case ${1:-} in
  -h|--help|help) usage 0 ;;
  list)
    docker images --filter "label=$LABEL.what" --format '{{.Repository}}:{{.Tag}}' | while read -r image; do
      printf '%-28s %s\n' "$image" "$(label_of "$image" $LABEL.what)"
    done ;;
  *)
    docker info >/dev/null 2>&1 || fail "no Docker engine answers" "start one: as root, apt-get install docker.io, then dockerd"
    [ $# -gt 0 ] || set -- base postgres kafka prometheus
    for name in "$@"; do make "$name"; done ;;
esac
