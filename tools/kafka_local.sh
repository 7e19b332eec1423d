#!/usr/bin/env bash
# A real Kafka broker (KRaft, one node) on 127.0.0.1 for tests and benchmarks, from the jars on Maven Central.
#
#   tools/kafka_local.sh start DIR [PORT]     fetch what is missing, start, wait until it answers; prints host:port
#   tools/kafka_local.sh stop DIR             end the broker of DIR and wait for it; the data stays
#   tools/kafka_local.sh kill DIR             the same with SIGKILL, as a crash would
#   tools/kafka_local.sh address DIR          prints host:port of the broker of DIR
#   tools/kafka_local.sh topic DIR NAME PARTITIONS [key=value ...]   create a topic, or add partitions up to the number
#   tools/kafka_local.sh fetch                only fetch the jars
#
# PORT 0 or none picks a free one and keeps it over restarts. DIR on a tmpfs (/dev/shm/…) keeps the disk out of measurements.
# Environment: KAFKA_LOCAL_CACHE (jars; ~/.cache/headrace), KAFKA_LOCAL_HEAP (384m), KAFKA_LOCAL_PROPERTIES (file appended to the
# broker's configuration). Needs java 17 (Debian: openjdk-17-jre-headless) and mvn (maven). Installs nothing itself.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/versions.env"
cache=${KAFKA_LOCAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}
ready_within_s=90

fail() { echo "kafka_local: $1" >&2; [ $# -lt 2 ] || echo "             $2" >&2; exit 1; }
usage() { sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
need() { command -v "$1" >/dev/null || fail "$1 is missing" "apt-get install $2"; }

# jars NAME COORDINATE... -> the folder that holds them and what they depend on
jars() {
  local folder=$cache/$1; shift
  if [ ! -e "$folder/complete" ]; then
    need mvn maven
    mkdir -p "$cache"
    local work; work=$(mktemp -d "$cache/fetching.XXXXXX")
    local coordinate group artifact version
    {
      echo '<project><modelVersion>4.0.0</modelVersion><groupId>headrace</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>'
      echo '<dependencies>'
      for coordinate in "$@"; do
        IFS=: read -r group artifact version <<<"$coordinate"
        printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n' "$group" "$artifact" "$version"
      done
      echo '</dependencies></project>'
    } >"$work/pom.xml"
    if ! mvn -B -q -f "$work/pom.xml" "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN_VERSION:copy-dependencies" \
        -DoutputDirectory="$work/lib" -DincludeScope=runtime >"$work/mvn.log" 2>&1; then
      grep -m 3 ERROR "$work/mvn.log" >&2 || true
      rm -rf "$work"
      fail "Maven could not fetch $*" "check that Maven Central can be reached"
    fi
    touch "$work/complete"
    # Two starters may race: whoever renames first wins, the other throws its copy away.
    mv -T "$work" "$folder" 2>/dev/null || rm -rf "$work"
  fi
  echo "$folder"
}
broker_jars() { jars "kafka-$KAFKA_VERSION" "org.apache.kafka:kafka_2.13:$KAFKA_VERSION" "org.apache.logging.log4j:log4j-slf4j-impl:$KAFKA_LOG_BINDING_VERSION"; }
tools_jars() { jars "kafka-tools-$KAFKA_TOOLS_VERSION" "org.apache.kafka:kafka-tools:$KAFKA_TOOLS_VERSION" "org.apache.logging.log4j:log4j-slf4j-impl:$KAFKA_LOG_BINDING_VERSION"; }

pid_of() { # DIR -> pid of its living broker, or nothing
  local pid; pid=$(cat "$1/broker.pid" 2>/dev/null) || return 0
  # A pid may belong to somebody else after a reboot: the command line must name this folder.
  if { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qxF "$1/broker.properties"; then echo "$pid"; fi
}
# An ended process that its parent has not collected yet (a zombie) counts as gone: in a container nobody may ever collect it.
# Its threads may outlive its first one for a moment, and with them its ports.
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null || return 0
  [ "$(ls "/proc/$1/task" 2>/dev/null | wc -l)" -gt 1 ]
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Not the kernel's choice: its range is also that of outgoing connections, and a client that keeps trying a port of that
# range while the broker is down can take the port itself (a TCP connection to itself).
free_ports() { # COUNT -> that many different free ports below the range of outgoing connections
  python3 -c 'import random,socket,sys
found=[]
while len(found)<int(sys.argv[1]):
    port=random.SystemRandom().randrange(10000,32000)
    with socket.socket() as s:
        try: s.bind(("127.0.0.1",port))
        except OSError: continue
    if port not in found: found.append(port)
print(*found)' "$1"
}

configure() { # DIR PORT
  local dir=$1 port=$2 controller spare
  if [ ! -e "$dir/ports" ]; then
    read -r spare controller <<<"$(free_ports 2)"
    [ "$port" != 0 ] || port=$spare
    echo "$port $controller" >"$dir/ports"
  fi
  read -r port controller <"$dir/ports"
  cat >"$dir/broker.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=CLIENTS://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=CLIENTS://127.0.0.1:$port
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
log.dirs=$dir/data
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
PROPERTIES
  if [ -n "${KAFKA_LOCAL_PROPERTIES:-}" ]; then cat "$KAFKA_LOCAL_PROPERTIES" >>"$dir/broker.properties"; fi
  cat >"$dir/log4j2.properties" <<'PROPERTIES'
status=error
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=OUT
PROPERTIES
}

start() { # DIR PORT
  local port=${2:-0} dir pid libs
  need java openjdk-17-jre-headless
  mkdir -p "$1"; dir=$(cd "$1" && pwd)
  [ -z "$(pid_of "$dir")" ] || fail "a broker runs in $dir already (pid $(pid_of "$dir"))"
  libs=$(broker_jars)/lib
  configure "$dir" "$port"
  read -r port _ <"$dir/ports"
  if answers "$port"; then fail "port $port is taken" "choose another, or remove $dir/ports"; fi
  local java=(java "-Dlog4j2.configurationFile=file:$dir/log4j2.properties" -XX:TieredStopAtLevel=4)
  if [ ! -e "$dir/data/meta.properties" ]; then
    "${java[@]}" -Xmx128m -XX:+UseSerialGC -cp "$libs/*" kafka.tools.StorageTool format -t aGVhZHJhY2UtdGVzdC0wMQ -c "$dir/broker.properties" >"$dir/format.log" 2>&1 ||
      { tail -5 "$dir/format.log" >&2; fail "the storage could not be formatted (log: $dir/format.log)"; }
  fi
  # setsid: a Ctrl-C in the terminal is for the test run, which stops the broker itself.
  setsid nohup "${java[@]}" "-Xms${KAFKA_LOCAL_HEAP:-384m}" "-Xmx${KAFKA_LOCAL_HEAP:-384m}" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -cp "$libs/*" \
    kafka.Kafka "$dir/broker.properties" >"$dir/broker.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$dir/broker.pid"
  local tries=$((ready_within_s * 10))
  until grep -q 'Kafka Server started\|KafkaRaftServer.*started' "$dir/broker.log" && answers "$port"; do
    alive "$pid" || { tail -8 "$dir/broker.log" >&2; fail "the broker ended (log: $dir/broker.log)"; }
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { kill "$pid"; fail "the broker does not answer after $ready_within_s s (log: $dir/broker.log)"; }
    sleep 0.1
  done
  echo "127.0.0.1:$port"
}

stop() { # DIR SIGNAL
  local dir pid tries=300
  dir=$(cd "$1" 2>/dev/null && pwd) || return 0
  pid=$(pid_of "$dir")
  if [ -n "$pid" ]; then
    kill "-$2" "$pid"
    while alive "$pid"; do
      tries=$((tries - 1))
      [ "$tries" -gt 0 ] || { echo "kafka_local: broker $pid did not end in 30 s, killing it" >&2; kill -KILL "$pid" 2>/dev/null || true; tries=50; }
      sleep 0.1
    done
  fi
  rm -f "$dir/broker.pid"
}

address() { local port; read -r port _ <"$1/ports" || fail "no broker was started in $1"; echo "127.0.0.1:$port"; }

topic() { # DIR NAME PARTITIONS [key=value ...]
  local broker name=$2 partitions=$3; broker=$(address "$1"); shift 3
  need java openjdk-17-jre-headless
  local libs configs=() entry; libs=$(tools_jars)/lib
  for entry in "$@"; do configs+=(--config "$entry"); done
  local command=(java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$libs/*" org.apache.kafka.tools.TopicCommand --bootstrap-server "$broker" --topic "$name")
  if "${command[@]}" --create --partitions "$partitions" --replication-factor 1 "${configs[@]}" >/dev/null 2>"$cache/topic.$$"; then rm -f "$cache/topic.$$"; return 0; fi
  if grep -q 'already exists' "$cache/topic.$$"; then rm -f "$cache/topic.$$"; "${command[@]}" --alter --partitions "$partitions" >/dev/null; return 0; fi
  tail -3 "$cache/topic.$$" >&2; rm -f "$cache/topic.$$"
  fail "topic $name was not created"
}

case ${1:-} in
  start) [ $# -ge 2 ] || usage; start "$2" "${3:-0}" ;;
  stop) [ $# = 2 ] || usage; stop "$2" TERM ;;
  kill) [ $# = 2 ] || usage; stop "$2" KILL ;;
  address) [ $# = 2 ] || usage; address "$2" ;;
  topic) [ $# -ge 4 ] || usage; topic "${@:2}" ;;
  fetch) broker_jars >/dev/null; tools_jars >/dev/null ;;
  *) usage ;;
esac
