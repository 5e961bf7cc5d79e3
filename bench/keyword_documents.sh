#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the documents of bench/keyword_search.py, English and Chinese, from Debian and unpacks them without installing
# anything: bench/keyword_documents.sh FOLDER. 220 MB to fetch, 900 MB on disk. What is there is not fetched again.
set -euo pipefail
folder=${1:?usage: bench/keyword_documents.sh FOLDER}
mkdir -p "$folder/packages"
for package in postgresql-doc-15 linux-doc-6.1 python3.11-doc libboost1.81-doc erlang-doc git-doc qtbase5-doc-html \
  llvm-15-doc debian-reference-zh-cn maint-guide-zh-cn debian-edu-doc-zh-cn gimp-help-zh-cn kicad-doc-zh \
  lilypond-doc-html-zh linuxcnc-doc-zh-cn manpages-zh installation-guide-amd64; do
  if ! compgen -G "$folder/packages/${package}_*.deb" > /dev/null; then
    (cd "$folder/packages" && apt-get download -q "$package")
  fi
done
for package in "$folder"/packages/*.deb; do dpkg-deb -x "$package" "$folder"; done
find "$folder" -type f -regex '.*\.\(png\|svg\|jpg\|gif\|pdf\|qch\)' -delete
