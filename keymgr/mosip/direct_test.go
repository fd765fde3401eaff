package mosip_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"spar/keymgr/keytest"
	"spar/keymgr/mosip/mosiptest"
)

// attackerToken is a full JWS that brings its own certificate.
func attackerToken(t *testing.T, key keytest.Key, der []byte) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	header := mustJSON(t, map[string]any{"alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(der)}})
	signed := encode(header) + "." + encode([]byte(body))
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.Signer.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	must(t, err)
	return signed + "." + encode(signature)
}

// direct asks the double as a client without a gate would, and returns signatureValid.
func (w *world) direct(t *testing.T, token, reference string) any {
	t.Helper()
	question := mustJSON(t, map[string]any{"request": map[string]any{
		"jwtSignatureData": token, "applicationId": mosiptest.Application, "referenceId": reference,
	}})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.double.Config().URL+"/jwtVerify", bytes.NewReader(question))
	must(t, err)
	r.AddCookie(&http.Cookie{Name: "Authorization", Value: w.double.Tokens()[0]})
	response, err := w.double.Client().Do(r)
	must(t, err)
	defer response.Body.Close()
	var answer struct{ Response map[string]any }
	must(t, json.NewDecoder(response.Body).Decode(&answer))
	return answer.Response["signatureValid"]
}
