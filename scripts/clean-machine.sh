#!/usr/bin/env bash
# Runs a command in a fresh clone of this project on a bare Debian with Node alone: no compiler, no make,
# no QEMU. The README's commands must install what they need.
#
#     scripts/clean-machine.sh . 'npm run demo'
#
# Needs root, and debootstrap (installed where apt-get can). Exits with the command's status, or with 77
# if this machine cannot create such a root. The bare root is kept in $CLEAN_MACHINE_DIR (default
# /var/cache/bonsaic-clean-machine) and copied for each run; the copy is removed however the run
# ends.
set -euo pipefail

say() { echo "clean-machine: $*" >&2; }
cannot() {
  say "$*"
  exit 77
}

[ $# = 2 ] || {
  echo "usage: clean-machine.sh REPOSITORY COMMAND" >&2
  exit 1
}
repository=$1 command=$2
home=${CLEAN_MACHINE_DIR:-/var/cache/bonsaic-clean-machine}

[ "$(id -u)" = 0 ] || cannot "needs root"
unshare --mount --pid --fork --kill-child true 2> /dev/null || cannot "may not mount here"
if ! command -v debootstrap > /dev/null; then
  command -v apt-get > /dev/null || cannot "needs debootstrap"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } > /dev/null ||
    cannot "debootstrap cannot be installed"
fi
if [ -d "$repository" ] && [ -n "$(git -C "$repository" status --porcelain)" ]; then
  say "takes the last commit: changes that are not committed are left out"
fi
mkdir -p "$home"

# The apt mirror of this machine's release; debootstrap's default if there is none.
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mirror=
if [ -n "$release" ] && command -v apt-get > /dev/null; then
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v release="$release" '$2 == release && $3 == "main" && !n++ { print $1 }')
fi
[ -n "$mirror" ] || release=stable
base=$home/base-$release-node-$(node --version)

copy_node() {
  local root=$1 node npm library
  node=$(readlink -f "$(command -v node)")
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  install -D "$node" "$root/usr/bin/node"
  ldd "$node" | grep -oE '/[^ ]+' | while read -r library; do
    [ -e "$root$library" ] || install -D "$library" "$root$library"
  done
  mkdir -p "$root/usr/lib/node_modules"
  cp -a "$npm" "$root/usr/lib/node_modules/npm"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/bin/npx"
  chroot "$root" npm --version > /dev/null || cannot "npm of this machine does not run elsewhere"
}

# Built in a folder of its own and renamed when complete, so that every base-* can be copied.
make_base() {
  local fresh
  rm -rf --one-file-system "$home"/fresh-*
  fresh=$(mktemp -d "$home/fresh-XXXXXX")
  say "installs a bare $release (once)"
  if ! debootstrap --variant=minbase --include=ca-certificates "$release" "$fresh/root" \
    ${mirror:+"$mirror"} > "$home/debootstrap.log" 2>&1; then
    tail -3 "$home/debootstrap.log" >&2
    cannot "debootstrap failed: $home/debootstrap.log"
  fi
  chmod 755 "$fresh/root"
  copy_node "$fresh/root"
  mv "$fresh/root" "$base"
  rmdir "$fresh"
}

exec 8> "$home/base.lock"
flock 8
[ -e "$base" ] || make_base
flock -u 8

# Remove the remains of killed runs, whose locks nobody holds.
for old in "$home"/run-*; do
  if [ -e "$old" ] && flock -n "$old" true; then rm -rf --one-file-system "$old"; fi
done

run=$(mktemp -d "$home/run-XXXXXX") child=
exec 9< "$run"
flock 9
# Mounts exist only in the child's namespace, which ends with the child.
clean_up() {
  [ -z "$child" ] || kill -KILL "$child" 2> /dev/null || true
  wait
  # Its processes may still write for a moment.
  rm -rf --one-file-system "$run" 2> /dev/null || { sleep 1 && rm -rf --one-file-system "$run"; }
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

root=$run/root
cp -a --reflink=auto "$base" "$root"
git clone -q "$repository" "$root/root/project"

# Copy this machine's network settings: names, certificates, proxies and registries.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
[ ! -d /etc/ssl/certs ] || cp -a /etc/ssl/certs/. "$root/etc/ssl/certs/"
[ ! -d /usr/local/share/ca-certificates ] ||
  cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
if command -v apt-config > /dev/null; then
  apt-config dump | grep -E '^Acquire::(http|https)::' > "$root/etc/apt/apt.conf.d/99machine" || true
fi
settings=() names='^((https?|no|all)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)'
names+='|npm_config_((.*_)?registry|cafile|ca|strict_ssl|proxy|https?_proxy|noproxy))='
while IFS= read -r -d '' setting; do
  if grep -qiE "$names" <<< "$setting"; then settings+=("$setting"); fi
done < <(env -0)
# Skip settings that name a file that the new root does not have.
for file in "$(npm config get globalconfig 2> /dev/null)" "$(npm config get userconfig 2> /dev/null)"; do
  [ -f "$file" ] || continue
  while IFS= read -r line; do
    path=${line#*=}
    [[ $path == /* && ! -e $root$path ]] || echo "$line"
  done < "$file" >> "$root/root/.npmrc"
done

# The new root has a clone, HOME, and nothing else of this machine's environment.
enter='mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
  env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  TERM="${TERM:-dumb}" LANG=C.UTF-8 "${settings[@]}" \
  sh -c "$enter" "$root" sh -c 'cd /root/project && exec bash -c "$0"' "$command" &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
