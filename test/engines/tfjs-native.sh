#!/usr/bin/env bash
# Builds @tensorflow/tfjs-node-gpu 4.22.0 on a current TensorFlow, for the optional step of the tests on the real native library:
#
#   test/engines/tfjs-native.sh FOLDER
#   LLAMA_PRO_TFJS_NODE=FOLDER npx vitest run --config test/vitest.config.ts --project slow test/engines/tfjs-native
#
# The package's own install script fetches libtensorflow 2.9.1 of 2022 from outside the registry. Its addon is a thin layer over
# TensorFlow's C API, and the unchanged source compiles against the library inside a Python wheel. Needs Linux on x64, Node with its
# headers, python3 with pip, g++ 11 or newer, 1.2 GB of disk and about a minute. WHEEL=tensorflow takes the CUDA build of the wheel.
set -euo pipefail

folder="${1:?the folder to build in}"
wheel="${WHEEL:-tensorflow_cpu}==${TENSORFLOW_VERSION:-2.21.0}"
headers="$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")/include/node"
[ -f "$headers/node_api.h" ] || { echo "Node's headers are not in $headers" >&2; exit 1; }
mkdir -p "$folder"
cd "$folder"

# scripts stay off: they are the download
[ -f package.json ] || echo '{ "private": true }' >package.json
npm install --ignore-scripts --no-audit --no-fund --loglevel=error @tensorflow/tfjs-node-gpu@4.22.0
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --python-version 3.12 --platform manylinux_2_27_x86_64 --dest wheel "$wheel"
python3 - <<'PYTHON'
import glob, zipfile
wanted = ('tensorflow/libtensorflow', 'tensorflow/include/tensorflow/', 'tensorflow/include/tsl/', 'tensorflow/include/xla/')
with zipfile.ZipFile(glob.glob('wheel/*.whl')[0]) as archive:
    archive.extractall('unpacked', [name for name in archive.namelist() if name.startswith(wanted)])
PYTHON
rm -r wheel

cd node_modules/@tensorflow/tfjs-node-gpu
# the newest Node-API that the package names
addon=lib/napi-v8
mkdir -p deps/lib "$addon"
for library in libtensorflow_cc.so.2 libtensorflow_framework.so.2; do
  ln -sf "../../../../../unpacked/tensorflow/$library" "deps/lib/$library"
done
ln -sfn ../../../../unpacked/tensorflow/include deps/include
# the $ORIGIN is for the dynamic linker
# shellcheck disable=SC2016
g++ -std=c++17 -O1 -fPIC -shared -DNAPI_VERSION=8 -DBUILDING_NODE_EXTENSION -I"$headers" -I. -Ideps/include binding/*.cc \
  -Ldeps/lib -Wl,-rpath,'$ORIGIN/../../deps/lib' -Wl,--allow-shlib-undefined \
  -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -o "$addon/tfjs_binding.node"
node -e "const tf = require('@tensorflow/tfjs-node-gpu'); console.log('TensorFlow', tf.backend().binding.TF_Version)"
