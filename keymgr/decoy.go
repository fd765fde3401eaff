package keymgr

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// decoyKeys are checked where a sender has no key to check, so that an unknown sender takes as long to refuse as a bad
// signature. What comes out is ignored; their private halves were thrown away.
const decoyKeys = `
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqks8X8AuaAxc8Df7OQ71
Ta7B0f1+FwE4ma0B6W+4/ceBOjWiSoUg7IXrNWIHyrmN3Xy7Zebx2umhgtrHG/0o
dirMj8/qE04PhXXlZyzVL/VQOdA6OIP0gG9TxzAdK7Z3IrOj/Tv8KChQbcg1Mb9/
lj+zCwWSJ809Wwml4e2YKOE8IfzDZ2VCKMAchq4ZhwtZo8SwiCAJRTT8c/ohuLFC
5EyQ11QT4WADE4bICTLrvAWFXIrbLB8KQ9kJRCjJ8rXgnpgsLtG2aLYTMbGuGHpo
VqrdmSlJ4AM4js6JdVxQ31XxVYy1hSPxm1UhIHETfT7oQ44uOmRmLctXeNS9MSsi
QQIDAQAB
-----END PUBLIC KEY-----
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEPzcphWN0FwlhAIlr9CYXvQETmF6
rro1pdG67s03/urOO17wCts9Tc/DFAAgLY7SNLttieBgNNH8BT0BxkdG7g==
-----END PUBLIC KEY-----
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAi1bwqZuc+fNvSghRqm9njjsDn1rMl0El3BMVKD9j+K4=
-----END PUBLIC KEY-----
`

func parseDecoys() (map[jwa.SignatureAlgorithm]crypto.PublicKey, error) {
	decoys := make(map[jwa.SignatureAlgorithm]crypto.PublicKey)
	for block, rest := pem.Decode([]byte(decoyKeys)); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse decoy key: %w", err)
		}
		algorithm, err := keyAlgorithm(key)
		if err != nil {
			return nil, fmt.Errorf("judge decoy key: %w", err)
		}
		decoys[algorithm] = key
	}
	decoys[jwa.PS256] = decoys[jwa.RS256]
	return decoys, nil
}
