#!/bin/sh
# The measuring guest's init. The kernel hands it `rows=NAME:WORK,...` from its command line as a variable. It does
# them in turn, each when a line of input names it, says so on the console in lines that start with @@, and powers the
# machine off.
export PATH=/bench:/usr/bin:/bin PYTHONHASHSEED=0
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /tmp
# The console may be a virtio one, whose bus is a module.
(: <>/dev/console) 2>/dev/null || insmod /lib/modules/virtio_mmio.ko
exec <>/dev/console >&0 2>&0
# Nothing of the kernel's between the marks.
busybox dmesg -n 1

mark() { echo "@@ $*"; }

# Programs of ours tell their marks themselves, once they are set up; for others it is done here.
coremark() {
  if [ -x /bench/coremark ]; then
    mark begin "$ROW"
    /bench/coremark 0x0 0x0 0x66 "$1" 7 1 2000 >/tmp/out || return
    mark end "$ROW"
    mark result "$ROW" "$(busybox sed -n 's/^.*crcfinal *: //p' /tmp/out)"
  else
    coremark-like "$1"
  fi
}

dhrystone() {
  if [ -x /bench/dhrystone ]; then
    mark begin "$ROW"
    echo "$(($1 * 1000))" | /bench/dhrystone >/tmp/out || return
    mark end "$ROW"
    busybox grep "Execution starts, $(($1 * 1000)) runs" /tmp/out || return
    mark result "$ROW" "$(busybox sed -n 's/^Int_[123]_Loc: *//p' /tmp/out | busybox tr -d '\n')"
  else
    dhrystone-like "$1"
  fi
}

sha256_busybox() {
  make-text 4096 >/tmp/text
  n=$(($1 / 4))
  mark begin "$ROW"
  while [ "$n" -gt 0 ]; do
    busybox sha256sum /tmp/text >/tmp/out || return
    n=$((n - 1))
  done
  mark end "$ROW"
  mark result "$ROW" "$(cat /tmp/out)"
}

gzip_text() {
  make-text "$1" >/tmp/text
  mark begin "$ROW"
  gzip -n -c /tmp/text >/tmp/out || return
  mark end "$ROW"
  mark result "$ROW" "$(busybox sha256sum /tmp/out)"
}

python_start() {
  # The first start leaves compiled modules behind, as installing the packages does.
  python3 /bench/start.py >/tmp/out || return
  n=$1
  mark begin "$ROW"
  while [ "$n" -gt 0 ]; do
    python3 /bench/start.py >/tmp/out || return
    n=$((n - 1))
  done
  mark end "$ROW"
  mark result "$ROW" "$(cat /tmp/out)"
}

for item in $(echo "$rows" | busybox tr , ' '); do
  export ROW="${item%:*}"
  work=${item#*:}
  mark ready "$ROW"
  until [ "$answer" = "$ROW" ]; do read -r answer; done
  mark go "$ROW"
  case $ROW in
    coremark) coremark "$work" ;;
    dhrystone) dhrystone "$work" ;;
    sha256-libcrypto) python3 /bench/sha256.py "$work" ;;
    sha256-busybox) sha256_busybox "$work" ;;
    gzip) gzip_text "$work" ;;
    python-start) python_start "$work" ;;
    python-loop) python3 /bench/loop.py "$work" ;;
    *) "$ROW" "$work" ;;
  esac
  mark "done" "$ROW" "$?"
  busybox rm -f /tmp/text /tmp/out
done
busybox poweroff -f
