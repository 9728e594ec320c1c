#!/bin/sh
# The init of the long run. What it prints is compared, line by line, between runs that must not differ: so it says what
# came out, and when by the guest's clock. The kernel hands it `scale=N` and
# `steps=NAME,...` from its command line as variables.
export PATH=/usr/bin:/bin:/sbin LANG=C.UTF-8 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
export PYTHONUNBUFFERED=1 SOURCE_DATE_EPOCH=1767225600
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /tmp /dev/shm
mount -t tmpfs tmp /dev/shm
exec <>/dev/console >&0 2>&0
failed=0

# A step's name, then a command.
step() {
  name=$1
  shift
  echo "== $name at $(busybox cut -d ' ' -f 1 /proc/uptime)"
  "$@"
  status=$?
  [ "$status" = 0 ] || failed=$((failed + 1))
  echo "== $name ended with $status at $(busybox cut -d ' ' -f 1 /proc/uptime)"
}

# Source, then how to optimise.
compile() {
  gcc "$2" -Wall -Wextra -o "$1$2" "/long-run/$1.c" -lm && busybox sha256sum "$1$2"
}

compile_some() {
  cd /tmp && compile pipe -O2 && compile fork-exec -O0 && compile coremark-like -O2
}

execute() {
  cd /tmp && ROW=coremark ./coremark-like-O2 $((200 * scale)) && ROW=fork-exec ./fork-exec-O0 $((100 * scale)) &&
    ROW=pipe ./pipe-O2 $((2000 * scale))
}

compile_more() {
  cd /tmp && compile coremark-like -O0 && compile coremark-like -Os && compile coremark-like -O3 &&
    compile dhrystone-like -O2 && compile double -O2
}

execute_more() {
  cd /tmp || return
  for level in -O0 -Os -O3; do
    ROW=coremark "./coremark-like$level" $((200 * scale)) || return
  done
  ROW=dhrystone ./dhrystone-like-O2 $((2000 * scale)) && ROW=double ./double-O2 $((50 * scale))
}

python_tests() {
  cd /tmp && python3 -m unittest -v $(busybox cat /long-run/python-tests) 2>&1
}

database() {
  sqlite3 /tmp/speed.db </long-run/speed.sql && sqlite3 /tmp/speed.db 'PRAGMA integrity_check' &&
    busybox sha256sum /tmp/speed.db
}

for part in $(echo "$steps" | busybox tr , ' '); do
  case $part in
    sqlite) step sqlite database ;;
    python) step python python_tests ;;
    compile)
      step compile compile_some
      step execute execute
      ;;
    more)
      step compile-more compile_more
      step execute-more execute_more
      ;;
    *) step "$part" false ;;
  esac
done
echo "== long run: $failed steps failed"
busybox poweroff -f
