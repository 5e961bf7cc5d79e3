#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Takes cppjieba's headers, those of limonp that they include, and the dictionary out of npm's nodejieba:
#   unpack_jieba.sh ARCHIVE WORK_FOLDER INSTALL_FOLDER
set -euo pipefail
archive=$1 work=$2 install=$3

rm -rf "$work" "$install"
mkdir -p "$install/include" "$install/dict" "$install/licenses" "$work"
tar -xzf "$archive" -C "$work" --strip-components=3 package/submodules/cppjieba
cd "$work"
cp -r include/cppjieba deps/limonp/include/limonp "$install/include/"
cp dict/jieba.dict.utf8 dict/hmm_model.utf8 "$install/dict/"
cp LICENSE "$install/licenses/LICENSE"
cp deps/limonp/LICENSE "$install/licenses/LICENSE.limonp"
