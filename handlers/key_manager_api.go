package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/keymgr"
	"spar/keymgr/mosip"
	"spar/web"
)

const keyManagerPrefix = "/v1/keymanager/"

// KeyManagerAPI is for hosts that automate onboarding: the calls that they would make on a MOSIP Key Manager, with the same
// envelope, on our register. It is for staff with an access token of their login provider in the Authorization header; no
// cookie counts here, so no browser can be made to call it.
type KeyManagerAPI struct {
	Register       *keymgr.Register
	Verifier       keymgr.Verifier // by the register alone
	KeyManager     HandOverer      // a key manager elsewhere; may be nil
	Application    string
	Staff          func(ctx context.Context, token string) (web.User, error) // see web.Providers.Bearer
	Reauthenticate time.Duration                                             // how old a person's login behind a change may be
	Refusals       *audit.Refusals                                           // may be nil
	Now            func() time.Time
	Log            *slog.Logger
}

// HandOverer gives new certificates of the register to a key manager elsewhere; see mosip.KeyManager.
type HandOverer interface {
	HandOver(ctx context.Context, by audit.Actor, reference, fingerprint string) (uploaded mosip.Uploaded, handed bool, err error)
}

// Routes adds the calls to a router. Auditors may look; only administrators change anything.
func (k *KeyManagerAPI) Routes(r gin.IRouter) {
	r.POST(keyManagerPrefix+"uploadOtherDomainCertificate", k.call(k.uploadOtherDomainCertificate, web.Admin))
	r.GET(keyManagerPrefix+"getCertificate", k.call(k.getCertificate, web.Admin, web.Auditor))
	r.POST(keyManagerPrefix+"jwtVerify", k.call(k.jwtVerify, web.Admin, web.Auditor))
}

// Sizes of bodies in bytes: a certificate, and the largest message of a partner in base64.
const (
	maxUploadBody = 64 << 10
	maxVerifyBody = maxBody/3*4 + 128<<10
)

type uploadRequest struct {
	ApplicationID   string `json:"applicationId"`
	ReferenceID     string `json:"referenceId"`
	CertificateData string `json:"certificateData"`
}

type uploadResponse struct {
	Status    string `json:"status"`
	Timestamp string `json:"timestamp"`
}

// uploadOtherDomainCertificate adds a certificate to a partner that is registered already: a name, permissions and limits
// are not part of this call, and a slip in an id must not make a partner. Every rule for certificates applies.
func (k *KeyManagerAPI) uploadOtherDomainCertificate(c *gin.Context, user web.User) (any, error) {
	ctx := c.Request.Context()
	request, err := readEnvelope[uploadRequest](c, maxUploadBody)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(request.CertificateData) == "" {
		return nil, invalidRequest("certificateData must not be blank")
	}
	partner, err := k.partner(ctx, request.ApplicationID, request.ReferenceID)
	if errors.Is(err, keymgr.ErrNotFound) {
		return nil, invalidRequest("no partner is registered under this referenceId: register it first, then send its certificate")
	}
	if err != nil {
		return nil, err
	}
	if partner.Status == keymgr.Suspended {
		return nil, invalidRequest("the partner is suspended")
	}
	by := actorOf(ctx, user)
	added, err := k.Register.AddCertificate(ctx, by, partner.ReferenceID, []byte(request.CertificateData))
	fingerprint, known := added.Fingerprint, false
	if errors.Is(err, keymgr.ErrExists) {
		// It may have been added by a call whose second half failed.
		if fingerprint, known = holds(partner, request.CertificateData); known {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	handed := false
	if k.KeyManager != nil {
		if _, handed, err = k.KeyManager.HandOver(ctx, by, partner.ReferenceID, fingerprint); err != nil {
			return nil, &handOverError{err}
		}
	}
	if known && !handed {
		return nil, keymgr.ErrExists
	}
	return uploadResponse{Status: "Upload Success", Timestamp: k.stamp(k.Now())}, nil
}

// holds reports whether a partner holds this very certificate, and its fingerprint.
func holds(p keymgr.Partner, certificate string) (fingerprint string, ok bool) {
	fingerprint, err := keymgr.FingerprintOf([]byte(certificate))
	if err != nil {
		return "", false
	}
	for _, c := range p.Certificates {
		if c.Fingerprint == fingerprint {
			return fingerprint, true
		}
	}
	return "", false
}

type certificateResponse struct {
	Certificate     string  `json:"certificate"`
	CertSignRequest *string `json:"certSignRequest"` // always null: we hold no keys of partners
	IssuedAt        string  `json:"issuedAt"`
	ExpiryAt        string  `json:"expiryAt"`
	Timestamp       string  `json:"timestamp"`
}

// getCertificate shows a partner's newest usable certificate. Unlike the original it makes nothing for an unknown id.
func (k *KeyManagerAPI) getCertificate(c *gin.Context, _ web.User) (any, error) {
	application, reference := c.QueryArray("applicationId"), c.QueryArray("referenceId")
	if len(application) != 1 || len(reference) != 1 {
		return nil, invalidRequest("applicationId and referenceId are needed, once each")
	}
	partner, err := k.partner(c.Request.Context(), application[0], reference[0])
	if err != nil {
		return nil, err
	}
	certificate, err := k.Register.Usable(c.Request.Context(), partner.ReferenceID, "")
	if err != nil {
		return nil, err
	}
	return certificateResponse{
		Certificate: string(keymgr.CertificatePEM(certificate.DER)),
		IssuedAt:    k.stamp(certificate.NotBefore), ExpiryAt: k.stamp(certificate.NotAfter), Timestamp: k.stamp(k.Now()),
	}, nil
}

type verifyRequest struct {
	JWTSignatureData string `json:"jwtSignatureData"`
	ActualData       string `json:"actualData"`
	ApplicationID    string `json:"applicationId"`
	ReferenceID      string `json:"referenceId"`
	CertificateData  string `json:"certificateData"`
	ValidateTrust    bool   `json:"validateTrust"`
	Domain           string `json:"domain"`
}

type verifyResponse struct {
	SignatureValid bool          `json:"signatureValid"`
	Message        string        `json:"message"`
	TrustValid     string        `json:"trustValid"`
	Reason         keymgr.Reason `json:"reason,omitempty"` // ours; why not
}

// jwtVerify says whether a partner signed a body, as far as our register knows. It records nothing and does nothing. A
// certificate that comes with the call is refused, not believed.
func (k *KeyManagerAPI) jwtVerify(c *gin.Context, _ web.User) (any, error) {
	request, err := readEnvelope[verifyRequest](c, maxVerifyBody)
	if err != nil {
		return nil, err
	}
	if request.CertificateData != "" || request.ValidateTrust || request.Domain != "" {
		return nil, invalidRequest("certificateData, validateTrust and domain are not supported: only registered certificates count")
	}
	if err := k.application(request.ApplicationID, request.ReferenceID); err != nil {
		return nil, err
	}
	if request.JWTSignatureData == "" {
		return nil, &keyManagerError{http.StatusOK, "KER-JWS-102", "jwtSignatureData must not be blank"}
	}
	body, err := signedBody(request)
	if err != nil {
		return nil, err
	}
	_, err = k.Verifier.Verify(c.Request.Context(), keymgr.Signed{Sender: request.ReferenceID, Signature: []string{request.JWTSignatureData}, Body: body})
	answer := verifyResponse{SignatureValid: err == nil, Message: "Validation Successful", TrustValid: "TRUST_NOT_VERIFIED"}
	if refusal, ok := errors.AsType[*keymgr.Refusal](err); ok {
		answer.Message, answer.Reason = "Validation Failed", refusal.Reason
		return answer, nil
	}
	return answer, err
}

// signedBody is actualData, or else the payload of the token.
func signedBody(request verifyRequest) ([]byte, error) {
	encoded := strings.TrimRight(request.ActualData, "=")
	if encoded == "" {
		if segments := strings.Split(request.JWTSignatureData, "."); len(segments) == 3 {
			encoded = segments[1]
		}
	}
	body, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, &keyManagerError{http.StatusOK, "KER-JWS-106", "actualData, or without it the payload of the token, must be base64url"}
	}
	return body, nil
}

// partner finds a partner of ours by the ids of a call.
func (k *KeyManagerAPI) partner(ctx context.Context, application, reference string) (keymgr.Partner, error) {
	if err := k.application(application, reference); err != nil {
		return keymgr.Partner{}, err
	}
	return k.Register.Get(ctx, reference)
}

func (k *KeyManagerAPI) application(application, reference string) error {
	switch {
	case strings.TrimSpace(application) == "" || strings.TrimSpace(reference) == "":
		return invalidRequest("applicationId and referenceId must not be blank")
	case application != k.Application:
		return &keyManagerError{http.StatusOK, "KER-KMS-002", "ApplicationId not found: this registry keeps certificates of its own application only"}
	}
	return nil
}
