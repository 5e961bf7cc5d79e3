#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Takes cppjieba's headers, those of limonp that they include, and the dictionary out of npm's nodejieba:
#   unpack_jieba.sh ARCHIVE INSTALL_FOLDER
set -euo pipefail
archive=$1 install=$2

rm -rf "$install"
mkdir -p "$install/include" "$install/dict" "$install/licenses" "$install/.work"
tar -xzf "$archive" -C "$install/.work" --strip-components=3 package/submodules/cppjieba
cd "$install/.work"
cp -r include/cppjieba deps/limonp/include/limonp "$install/include/"
cp dict/jieba.dict.utf8 dict/hmm_model.utf8 "$install/dict/"
cp LICENSE "$install/licenses/LICENSE"
cp deps/limonp/LICENSE "$install/licenses/LICENSE.limonp"
cd "$install"
rm -rf .work
