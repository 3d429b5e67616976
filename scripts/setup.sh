#!/usr/bin/env bash
# Installs what is missing: npm packages here; compilers and QEMU through apt (root or sudo). Skips what is present.
#
#     setup.sh            what bonsaic needs
#     setup.sh --tests    and what its tests need
#     setup.sh --native-training    and TensorFlow.js with its native backend, to compress models faster
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "setup: npm packages" >&2
  npm ci --no-progress >&2
fi

# command=package
needed=(arm-none-eabi-gcc=gcc-arm-none-eabi riscv64-unknown-elf-gcc=gcc-riscv64-unknown-elf gcc=gcc make=make qemu-system-arm=qemu-system-arm)
[ "${1:-}" != --tests ] || needed+=(g++=g++ clang=clang cppcheck=cppcheck cmake=cmake socat=socat stm32flash=stm32flash ser2net=ser2net qemu-system-riscv32=qemu-system-misc xtensa-lx106-elf-gcc=gcc-xtensa-lx106)
missing=()
for pair in "${needed[@]}"; do
  command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
if [ ${#missing[@]} -gt 0 ]; then
  by_hand() {
    echo "setup: $1: install these yourself: ${missing[*]}" >&2
    exit 4
  }
  command -v apt-get >/dev/null || by_hand "no apt-get here"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || by_hand "apt-get needs root, and there is no sudo"
    # Without a terminal sudo cannot ask for the password.
    [ -t 0 ] || sudo -n true 2>/dev/null || by_hand "sudo asks for a password"
    as_root=(sudo)
  fi
  echo "setup: apt packages ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

# Programs of PyPI, each for one test, which is skipped without it.
from_pypi() { # FOLDER PACKAGE...
  [ ! -e "build/$1" ] && python3 -c 'import ensurepip, venv' 2>/dev/null || return 0
  { python3 -m venv "build/$1" && "build/$1/bin/pip" install -q --retries 1 "${@:2}"; } >&2 || {
    rm -rf "build/$1"
    echo "setup: ${*:2} could not be installed: its test is skipped" >&2
  }
}
if [ "${1:-}" = --tests ]; then
  command -v esptool esptool.py >/dev/null || from_pypi esptool esptool
  command -v adafruit-nrfutil >/dev/null || from_pypi nrfutil adafruit-nrfutil
  # The wheel whose bits --rounding tflm has; bench/roundings.ts compares it with another one.
  from_pypi tflite "tflite-micro==$(node -p 'require("./package.json").config.tflite_micro')" ai-edge-litert
  # Other versions of Node that users have; one that is not there is a test that is skipped.
  for version in 22 24; do
    [ -e "build/node$version" ] || npm install --silent --prefix "build/node$version" "node@$version" >&2 || {
      rm -rf "build/node$version"
      echo "setup: Node $version could not be installed: its test is skipped" >&2
    }
  done
fi

# TensorFlow's C library for training. Its package downloads it; where that fails, the library of PyPI's wheel is used.
if [ "${1:-}" = --native-training ]; then
  bash scripts/native-training.sh
fi
