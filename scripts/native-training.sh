#!/usr/bin/env bash
# Installs @tensorflow/tfjs-node beside the other packages, without a change of package.json. Its own script downloads
# libtensorflow. Where that fails, the addon is compiled against the library in PyPI's wheel of TensorFlow: 2 minutes, 1.2 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
package=node_modules/@tensorflow/tfjs-node
loads() { node -e "require('util').isNullOrUndefined ??= (v) => v == null; require('@tensorflow/tfjs-node')" >/dev/null 2>&1; }

if loads; then
  echo "setup: the native backend is there" >&2
  exit 0
fi
echo "setup: @tensorflow/tfjs-node" >&2
if timeout 600 npm install --no-save --no-progress @tensorflow/tfjs-node@4.22.0 >/dev/null 2>&1 && loads; then
  exit 0
fi
echo "setup: its download failed; TensorFlow's library from PyPI" >&2
for tool in pip unzip python3 make g++; do
  command -v "$tool" >/dev/null || {
    echo "setup: $tool is missing; install it, then run this again" >&2
    exit 4
  }
done
npm install --no-save --no-progress --ignore-scripts @tensorflow/tfjs-node@4.22.0 >/dev/null
mkdir -p "$package/deps/wheel" "$package/deps/lib" "$package/lib/napi-v8"
pip download --quiet --no-deps tensorflow-cpu --dest "$package/deps/wheel"
unzip -q -o "$package"/deps/wheel/*.whl 'tensorflow/libtensorflow*' 'tensorflow/include/*' -d "$package/deps/wheel"
rm "$package"/deps/wheel/*.whl
cd "$package"
ln -sfn wheel/tensorflow/include deps/include
for library in cc:libtensorflow framework:libtensorflow_framework; do
  file=$(basename "$(ls deps/wheel/tensorflow/libtensorflow_"${library%%:*}".so.*)")
  ln -sf "../wheel/tensorflow/$file" "deps/lib/$file"
  ln -sf "$file" "deps/lib/${library#*:}.so"
done
gyp=$(dirname "$(readlink -f "$(command -v npm)")")/../node_modules/node-gyp/bin/node-gyp.js
# Node's headers: where npm's settings say, else those of the system's package, else node-gyp downloads them.
nodedir=$(npm config get nodedir 2>/dev/null | grep / || true)
[ -n "$nodedir" ] || [ ! -d /usr/include/node ] || nodedir=/usr
headers=()
[ -z "$nodedir" ] || headers=(--nodedir="$nodedir")
node "$gyp" rebuild "${headers[@]}" --napi_build_version=8 --module_name=tfjs_binding --module_path=./lib/napi-v8 >build.log 2>&1 || {
  tail -5 build.log >&2
  echo "setup: the addon does not compile ($package/build.log)" >&2
  exit 4
}
cp build/Release/tfjs_binding.node lib/napi-v8/
cd - >/dev/null
loads || {
  echo "setup: the native backend does not load; training uses WebAssembly" >&2
  exit 4
}
