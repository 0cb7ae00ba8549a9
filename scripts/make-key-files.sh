#!/bin/sh
# Makes the key files in captures/tls/keys from captures/tls/rsa.pem, the password being `test` but for
# pkcs8-long-password.pem. To be run again after scripts/make-tls-captures.py. Needs OpenSSL 3 with its
# legacy provider.
set -eu
cd "$(dirname "$0")/../captures/tls"
mkdir -p keys
key=$PWD/rsa.pem
cd keys
pkcs8() { openssl pkcs8 -topk8 -in "$key" "$@"; }
pkcs12() { openssl pkcs12 -export -inkey "$key" "$@"; }

openssl rsa -in "$key" -traditional -out pkcs1.pem
openssl rsa -in "$key" -traditional -outform DER -out pkcs1.der
openssl rsa -in "$key" -traditional -aes128 -passout pass:test -out proc-type.pem
pkcs8 -nocrypt -out pkcs8.pem
pkcs8 -nocrypt -outform DER -out pkcs8.der
pkcs8 -v2 aes-256-cbc -passout pass:test -out pkcs8-aes256.pem
pkcs8 -v2 aes-256-cbc -passout pass:test -outform DER -out pkcs8-aes256.der
pkcs8 -v2 aes-128-cbc -v2prf hmacWithSHA1 -passout pass:test -out pkcs8-aes128-sha1.pem
pkcs8 -v2 des3 -passout pass:test -out pkcs8-3des.pem
pkcs8 -scrypt -passout pass:test -out pkcs8-scrypt.pem
pkcs8 -v1 PBE-SHA1-3DES -passout pass:test -out pkcs8-pbe-sha1-3des.pem
pkcs8 -v2 aes-256-cbc -passout pass:Correct-Horse-7261 -out pkcs8-long-password.pem

openssl req -x509 -new -key "$key" -subj /CN=lynccap-test -days 3650 -out certificate.pem
openssl x509 -in certificate.pem -outform DER -out certificate.der
openssl x509 -in certificate.pem -pubkey -noout > public.pem
cat certificate.pem pkcs8.pem > certificate-and-key.pem

pkcs12 -in certificate.pem -passout pass:test -out pkcs12-aes256.p12
pkcs12 -in certificate.pem -passout pass: -out pkcs12-no-password.p12
pkcs12 -in certificate.pem -nokeys -passout pass:test -out pkcs12-certificate-only.p12
pkcs12 -nocerts -passout pass:test -out pkcs12-key-only.p12
pkcs12 -legacy -in certificate.pem -passout pass:test -out pkcs12-legacy.p12
pkcs12 -legacy -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -in certificate.pem -passout pass:test -out pkcs12-3des.p12
openssl pkcs12 -in pkcs12-aes256.p12 -passin pass:test -nodes -out bag-attributes.pem

openssl ecparam -name prime256v1 -genkey -noout -out ec-sec1.pem
openssl pkcs8 -topk8 -nocrypt -in ec-sec1.pem -out ec-pkcs8.pem
openssl pkcs8 -topk8 -nocrypt -in ec-sec1.pem -outform DER -out ec-pkcs8.der
openssl req -x509 -new -key ec-sec1.pem -subj /CN=lynccap-test -days 3650 -out ec-certificate.tmp
openssl pkcs12 -export -inkey ec-sec1.pem -in ec-certificate.tmp -passout pass:test -out ec.p12
rm ec-certificate.tmp
openssl genrsa -traditional -out other-rsa.pem 2048
chmod 644 -- *
