package mosiptest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// entry is a certificate under an application and a reference id.
type entry struct {
	certificate *x509.Certificate
	private     crypto.Signer // nil for a partner's
	until       time.Time
	id          string
}

func (e *entry) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.certificate.Raw}))
}

// current is the certificate that counts now, if any: the last one that has neither ended nor is about to.
func (s *Server) current(application, reference string) *entry {
	list := s.keys[[2]string{application, reference}]
	for i := len(list) - 1; i >= 0; i-- {
		if s.Now().Before(list[i].until.AddDate(0, 0, -PreExpireDays)) {
			return list[i]
		}
	}
	return nil
}

// find is current for calls that ask: where there is nothing, it makes a key pair.
func (s *Server) find(application, reference string) (e *entry, code, message string) {
	key := [2]string{application, reference}
	if application != Application && application != "KERNEL" {
		return nil, "KER-KMS-002", "ApplicationId not found in Key Policy. Key/CSR generation not allowed."
	}
	if e := s.current(application, reference); e != nil {
		return e, "", ""
	}
	for _, old := range s.keys[key] {
		if old.private == nil {
			return nil, "KER-KMS-016", "Not allowed to generate new key pair for other domains or not allowed to generate base key. (other domains, partner Certificate expired)"
		}
	}
	e = s.generate(application, reference)
	s.keys[key] = append(s.keys[key], e)
	s.generated = append(s.generated, key)
	return e, "", ""
}

func (s *Server) generate(application, reference string) *entry {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	s.certs++
	template := x509.Certificate{
		SerialNumber: big.NewInt(int64(s.certs)), Subject: pkix.Name{CommonName: application + "-" + reference, Organization: []string{"IITB"}},
		NotBefore: s.Now().Add(-time.Minute), NotAfter: s.Now().AddDate(3, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return newEntry(certificate, private)
}

func newEntry(certificate *x509.Certificate, private crypto.Signer) *entry {
	sum := sha256.Sum256(certificate.Raw)
	return &entry{certificate: certificate, private: private, until: certificate.NotAfter, id: hex.EncodeToString(sum[:])}
}

func text(o Object, name string) string { t, _ := o[name].(string); return t }

func blank(t string) bool { return strings.TrimSpace(t) == "" }

func (s *Server) jwtVerify(w http.ResponseWriter, call Call) {
	signature, application, reference := text(call.Request, "jwtSignatureData"), text(call.Request, "applicationId"), text(call.Request, "referenceId")
	if blank(signature) {
		fail(w, "KER-JWS-102", "Data to sign is not valid.")
		return
	}
	if blank(application) {
		application, reference = "KERNEL", "SIGN"
	}
	segments := strings.Split(signature, ".")
	header, ok := decodeHeader(segments[0])
	if !ok {
		fail(w, "KER-JWS-106", "Signature data to verify not valid.")
		return
	}
	e, code, message := s.certificateFor(header, text(call.Request, "certificateData"), application, reference)
	if code != "" {
		fail(w, code, message)
		return
	}
	if now := s.Now(); now.Before(e.certificate.NotBefore) || now.After(e.certificate.NotAfter) {
		fail(w, "KER-JWS-107", "Signature verification certificate not valid.")
		return
	}
	if actual := text(call.Request, "actualData"); !blank(actual) && len(segments) > 1 {
		segments[1] = actual
	}
	token, err := jose.ParseSignedCompact(strings.Join(segments, "."), []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		fail(w, "KER-JWS-105", "Error - Unable to verify the data.")
		return
	}
	_, err = token.Verify(e.certificate.PublicKey)
	verdict := map[bool]string{true: "Validation Successful", false: "Validation Failed"}
	answer(w, Object{"signatureValid": err == nil, "message": verdict[err == nil], "trustValid": "TRUST_NOT_VERIFIED"})
}

func decodeHeader(segment string) (Object, bool) {
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(segment, "="))
	if err != nil {
		return nil, false
	}
	var header Object
	return header, json.Unmarshal(decoded, &header) == nil && header != nil
}

// certificateFor decides whose key verifies, in the real one's order.
func (s *Server) certificateFor(header Object, data, application, reference string) (e *entry, code, message string) {
	thumbprint := text(header, "x5t#S256")
	if remembered := s.byX5T[thumbprint]; thumbprint != "" && remembered != nil {
		return remembered, "", ""
	}
	if list, ok := header["x5c"].([]any); ok && len(list) > 0 {
		first, _ := list[0].(string)
		der, _ := base64.StdEncoding.DecodeString(first)
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, "KER-JWS-106", "Signature data to verify not valid."
		}
		e := newEntry(certificate, nil)
		if thumbprint != "" {
			s.byX5T[thumbprint] = e
		}
		return e, "", ""
	}
	if !blank(data) {
		certificate := parsePEM(data)
		if certificate == nil {
			return nil, "KER-KMS-013", "Certificate Parsing Error."
		}
		return newEntry(certificate, nil), "", ""
	}
	return s.find(application, reference)
}

func parsePEM(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return certificate
}

func (s *Server) uploadOtherDomainCertificate(w http.ResponseWriter, call Call) {
	application, reference, data := text(call.Request, "applicationId"), text(call.Request, "referenceId"), text(call.Request, "certificateData")
	if blank(application) || blank(reference) || blank(data) {
		fail(w, "KER-KMS-005", "Invalid request")
		return
	}
	if strings.EqualFold(application, "KERNEL") && strings.EqualFold(reference, "SIGN") {
		fail(w, "KER-KMS-031", "Application Id with KERNEL & Reference Id with Sign not allowed to upload Partner certificate.")
		return
	}
	if reference == "EC_SECP256K1_SIGN" || reference == "EC_SECP256R1_SIGN" || reference == "ED25519_SIGN" {
		fail(w, "KER-KMS-030", "EC Sign Reference Id Not Supported for the Application ID.")
		return
	}
	certificate := parsePEM(data)
	if certificate == nil {
		fail(w, "KER-KMS-013", "Certificate Parsing Error.")
		return
	}
	key, e := [2]string{application, reference}, newEntry(certificate, nil)
	if old := s.current(application, reference); old != nil {
		switch {
		case old.private != nil:
			fail(w, "KER-KMS-034", "PrivateKey available, for Other Domain Certificate, Private Key should not available.")
			return
		case old.id == e.id:
			fail(w, "KER-KMS-035", "Certificate Already Exist, not allowed to upload same certificate again")
			return
		}
		old.until = s.Now().Add(-time.Minute)
	}
	s.keys[key] = append(s.keys[key], e)
	answer(w, Object{"status": "Upload Success", "timestamp": stamp(s.Now())})
}

func (s *Server) getCertificate(w http.ResponseWriter, call Call) {
	e, code, message := s.find(call.Query.Get("applicationId"), call.Query.Get("referenceId"))
	if code != "" {
		fail(w, code, message)
		return
	}
	answer(w, Object{
		"certificate": e.pem(), "certSignRequest": nil, "issuedAt": stamp(e.certificate.NotBefore), "expiryAt": stamp(e.certificate.NotAfter), "timestamp": stamp(s.Now()),
	})
}

func (s *Server) getAllCertificates(w http.ResponseWriter, call Call) {
	list := []Object{}
	for _, e := range s.keys[[2]string{call.Query.Get("applicationId"), call.Query.Get("referenceId")}] {
		list = append(list, Object{"certificateData": e.pem(), "issuedAt": stamp(e.certificate.NotBefore), "expiryAt": stamp(e.until), "keyId": e.id})
	}
	answer(w, Object{"allCertificates": list})
}

func (s *Server) revokeKey(w http.ResponseWriter, call Call) {
	application, reference := text(call.Request, "applicationId"), text(call.Request, "referenceId")
	if blank(application) || blank(reference) {
		fail(w, "KER-KMS-005", "Invalid request")
		return
	}
	e := s.current(application, reference)
	if e == nil {
		fail(w, "KER-KMS-003", "No unique alias is found")
		return
	}
	e.until = s.Now().Add(-time.Minute)
	answer(w, Object{"status": "Key Revoked", "timestamp": stamp(s.Now())})
}
