#!/bin/sh
# idf.py as bonsaic calls it. FAKE_IDF_LOG: a file that gets its arguments. FAKE_IDF_SAYS: what it prints instead of
# building or flashing, before it fails. FAKE_IDF_CMAKE: more arguments of cmake.
here=$(cd "$(dirname "$0")" && pwd)
echo "$*" >>"${FAKE_IDF_LOG:-/dev/null}"
if [ "$*" = --version ]; then
  echo "${FAKE_IDF_VERSION:-ESP-IDF v5.5}"
  exit "${FAKE_IDF_STATUS:-0}"
fi
if [ -n "${FAKE_IDF_SAYS:-}" ]; then
  printf '%s\n' "$FAKE_IDF_SAYS"
  exit 2
fi
case "$*" in
*build)
  export IDF_PATH="$here"
  # shellcheck disable=SC2086
  cmake -S . -B build ${FAKE_IDF_CMAKE:-} && cmake --build build
  ;;
*flash) echo "Hard resetting via RTS pin..." ;;
*) exit 1 ;;
esac
