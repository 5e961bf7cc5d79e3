#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes into FOLDER: an authority ca, what it certifies (server for 127.0.0.1, client, elsewhere), and another, other.
#   make_certificates.sh FOLDER
set -e
cd "$1"
exec >openssl.log 2>&1
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
for ca in ca other; do
  key $ca
  openssl req -x509 -new -key $ca.key -subj "/CN=Ragtime test $ca" -days 2 -out $ca.pem
done
for name in server client elsewhere; do
  key $name
  openssl req -new -key $name.key -subj "/CN=$name" -out $name.csr
  san=IP:127.0.0.1
  if [ $name = elsewhere ]; then san=DNS:elsewhere.example; fi
  echo "subjectAltName=$san" >$name.ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem
done
chmod a+r ./*
