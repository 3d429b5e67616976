#!/usr/bin/env bash
# Set-up, then everything: lint, types, unit, property and simulator tests, a file on each core.
#
#     npm test                        all
#     npm run test:quick              about three minutes on two cores: lint, types, and the tests that need no
#                                     compiler and no simulator
#     npm test -- test/kernels/mve/mve.test.ts -g residual
set -euo pipefail
cd "$(dirname "$0")/.."

quick=
if [ "${1:-}" = --quick ]; then
  quick=yes
  shift
  # Nothing is compiled: Node's packages are enough.
  [ -d node_modules ] || npm ci --no-progress >&2
else
  bash scripts/setup.sh --tests
fi
# Each takes one core.
npm run --silent lint & lint=$!
npm run --silent typecheck || { wait; exit 1; }
wait "$lint"

# Tests write and sync thousands of small files: in memory, where it has room and programs may run.
if [ -z "${TMPDIR:-}" ] && memory=$(mktemp -d /dev/shm/bonsaic-test-XXXXXX 2>/dev/null); then
  trap 'rm -rf "$memory"' EXIT
  # As /tmp is: some tests run a program as another user.
  chmod 1777 "$memory"
  cp "$(type -P true)" "$memory/true"
  free=$(df --output=avail -k "$memory" | tail -n 1)
  if [ "$free" -ge 2000000 ] && "$memory/true"; then export TMPDIR=$memory; fi
fi

options=() files=()
for argument in "$@"; do
  if [[ $argument == *.test.ts ]]; then files+=("$argument"); else options+=("$argument"); fi
done
if [ ${#files[@]} = 0 ]; then
  # The slowest first, so that all cores have something to do until the end: 80 CPU-s, then 77,
  # down to 8.
  slow=(
    test/boards test/flash/reliability test/kernels/dsp/dsp test/tune/tune test/cli/cli
    test/plan/speed test/kernels/mve/mve test/codegen/halves test/codegen/random-graphs
    test/kernels/layout/residual test/build/interrupted test/compress/compress-model
    test/kernels/thumb1/depthwise test/corpus/keras test/cli/environment test/build/estimates
    test/ops/conv2d test/build/own-files test/cli/any-model test/flash/dfu test/plan/faithful
    test/flash/kills test/report/budgets test/build/killed test/build/idf test/ops/fully_connected
    test/docs/readme-commands test/kernels/swar/conv2d test/cli/memory test/kernels/dsp/sparse
    test/codegen/overlap test/kernels/encoding/packed test/cli/signals test/build/headers
    test/formats/hostile test/plan/plan test/compress/train/loop test/kernels/mve/sparse
    test/ops/depthwise_conv2d test/build/compilers test/compress/values test/firmware/names
    test/compress/explain test/kernels/thumb1/conv2d test/profile/mutations test/twin
    test/bench/figures test/cli/flash test/formats/damaged-files test/build/targets
    test/formats/control-flow test/kernels/swar/sparse test/compiler/browser test/device/qemu
    test/flash/damage test/docs/readme-status test/flash/picoboot test/flash/drive-faults
  )
  mapfile -t files < <({ printf '%s.test.ts\n' "${slow[@]}"; find test -name '*.test.ts' | sort; } |
    awk '!seen[$0]++')
fi
if [ -n "$quick" ]; then
  # Files that compile, simulate or start the command line reach for one of these.
  tools='support/(native|execute|board|both|cli|esptool|firmware|halves|operator|pty|qemu|thumb|readme-folder|interrupted|signals|flash-kills)|bench/models|buildProject|/tune/|qemu-system|src/cli\.ts'
  mapfile -t files < <(grep -LE "$tools" "${files[@]}" |
    # Whole models on several boards, planned twice each; 200 seeds of each fault; a bundle of the
    # compiler; and what takes 10 CPU-s or more: networks trained and compressed, every model.
    grep -vE '^test/(plan/(faithful|speed)|flash/(reliability|dfu)|compiler/browser)' |
    grep -vE '^test/compress/(compress-model|train/loop|values|explain)' |
    grep -vE '^test/(cli/(any-model|memory)|report/budgets|formats/hostile|profile/mutations)')
  if [ ${#files[@]} = 0 ]; then
    echo 'test:quick: each of these files compiles, simulates or starts the command line: npm test -- FILE' >&2
    exit 1
  fi
  # Properties whose cases take long try a quarter of them.
  export TEST_RUNS_SHARE=0.25
fi
npx mocha --parallel --jobs "$(nproc)" --reporter test/support/reporter.cjs \
  --reporter-option "files=${#files[@]}" "${options[@]}" "${files[@]}"
