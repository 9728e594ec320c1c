/** What the guest is to do once its system is up. */
export type AgentTask =
  | {
      /** Runs a command with its standard streams at the host. */
      readonly kind: "command";
      readonly command: string;
    }
  | {
      /** Runs a login shell on the guest's terminal. */
      readonly kind: "shell";
      /** The terminal's device, such as `/dev/hvc0`. */
      readonly terminal: string;
      /** The host's `TERM`. */
      readonly term: string;
      readonly columns: number;
      readonly rows: number;
    };

/** Brings up what a shell expects of its system: kernel file systems, names, the loopback interface, environment. */
const SYSTEM = `
cd /
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root USER=root LOGNAME=root
[ -r /etc/locale.conf ] && . /etc/locale.conf && export LANG
[ -x /bin/bash ] && SHELL=/bin/bash || SHELL=/bin/sh
export SHELL
{
  [ -e /proc/self ] || mount -t proc -o nosuid,nodev,noexec proc /proc
  mkdir -p /dev/pts /dev/shm /tmp /run
  mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o nosuid,nodev shm /dev/shm
  while read -r source place rest; do [ "$place" = /run ] && break; done </proc/mounts ||
    mount -t tmpfs -o mode=0755,nosuid,nodev run /run
  mount -t tmpfs -o mode=1777,nosuid,nodev tmp /tmp
  mkdir -p /run/lock /run/isomorph
  [ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
  for name in 0:stdin 1:stdout 2:stderr; do
    [ -e "/dev/\${name#*:}" ] || ln -s "/proc/self/fd/\${name%:*}" "/dev/\${name#*:}"
  done
  [ -s /etc/hostname ] && cat /etc/hostname >/proc/sys/kernel/hostname
  ip link set lo up || ifconfig lo up
} 2>/dev/null

for place in /sys/class/virtio-ports/*; do
  [ -e "$place/name" ] && read -r name <"$place/name" || continue
  case $name in
    isomorph.control) exec 8<>"/dev/\${place##*/}" ;;
    isomorph.stdin) stdin=/dev/\${place##*/} ;;
    isomorph.stdout) stdout=/dev/\${place##*/} ;;
    isomorph.stderr) stderr=/dev/\${place##*/} ;;
  esac
done

# The host's orders: a signal for the session, the end of a shell, or that nobody reads an output any more.
follow() {
  trap '' INT QUIT TERM HUP
  while read -r verb value <&8; do
    case $verb in
      signal) read -r leader <session && kill "-$value" "-$leader" ;;
      end)
        # A shell that is just drawing its prompt may take a first signal for nothing.
        for name in HUP HUP HUP HUP KILL; do
          read -r leader <session && kill "-$name" "-$leader" || break
          sleep 0.5
        done
        ;;
      broken) read -r relay <"relay-$value" && kill -KILL "$relay" ;;
    esac
  done 2>/dev/null
}

# Whether anything runs but this process, the kernel's threads and the given processes.
others() {
  for place in /proc/[0-9]*; do
    case " 1 $* " in *" \${place#/proc/} "*) continue ;; esac
    [ -e "$place/exe" ] && return 0
  done
  return 1
}

# Ends all processes but the given ones, who ignore the first signal.
quiet() {
  kill -KILL "$follower"
  kill -TERM -1
  tenths=0
  while others "$@" && [ "$tenths" -lt 20 ]; do
    sleep 0.1
    tenths=$((tenths + 1))
  done
  for place in /proc/[0-9]*; do
    case " 1 $* " in *" \${place#/proc/} "*) continue ;; esac
    [ -e "$place/exe" ] && kill -KILL "\${place#/proc/}"
  done
} 2>/dev/null

# Makes the disks whole and switches the machine off.
off() {
  cd /
  sync
  exec <&- >/dev/null 2>&1
  while read -r source place rest; do
    case $source in /dev/*) [ "$place" = / ] || umount "$place" || mount -o remount,ro "$place" ;; esac
  done </proc/mounts
  mount -o remount,ro /
  sync
  echo "exit $1" >&8
  echo o >/proc/sysrq-trigger
  sleep 1
  poweroff -f
  while :; do sleep 1; done
}
cd /run/isomorph
`;

/**
 * Pipes between the command and the ports, since a port opens only once and `/dev/stdout` is there to be opened again.
 * The command is the leader of a session of its own, so that a signal reaches all of it.
 */
const COMMAND = `
export TERM=dumb
echo up >&8
mkfifo in out err
(trap '' INT QUIT TERM HUP; exec cat <"$stdin" >in) 2>/dev/null &
relay_in=$!
(trap '' INT QUIT TERM HUP; exec cat <out >"$stdout") 2>/dev/null &
relay_out=$!
(trap '' INT QUIT TERM HUP; exec cat <err >"$stderr") 2>/dev/null &
relay_err=$!
echo "$relay_out" >relay-1
echo "$relay_err" >relay-2
follow &
follower=$!
# A subshell, so that what the shell itself says about the command's end does not get among its output.
(exec setsid sh -c 'echo $$ >session; cd || cd /; exec "$SHELL" -c "$1"' sh "$command" <in >out 2>err 8>&-)
status=$?
kill -KILL "$relay_in" 2>/dev/null
quiet "$relay_out" "$relay_err"
wait "$relay_out"
wait "$relay_err"
off "$status"
`;

const SHELL = `
exec <>"$terminal" >&0 2>&0
stty sane rows "$rows" cols "$columns" 2>/dev/null
follow &
follower=$!
echo up >&8
setsid -c sh -c 'echo $$ >session; cd || cd /; exec "$SHELL" -l' 8>&-
status=$?
quiet
off "$status"
`;

/** The script that the guest's first process runs; for `sh` of any make. */
export function agentScript(task: AgentTask): string {
  if (task.kind === "command") return `${SYSTEM}command=${quoted(task.command)}\n${COMMAND}`;
  const { terminal, term, columns, rows } = task;
  const settings = [
    `terminal=${quoted(terminal)}`,
    `rows=${Math.trunc(rows)}`,
    `columns=${Math.trunc(columns)}`,
    `export TERM=${quoted(term)}`,
  ];
  return `${SYSTEM}${settings.join("\n")}\n${SHELL}`;
}

/** A word of the shell: in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
