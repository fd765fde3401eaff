package mosip

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"spar/internal/audit"
	"spar/keymgr"
)

// ErrOtherCertificate says that after an upload the key manager still shows another certificate.
var ErrOtherCertificate = errors.New("the key manager shows another certificate than was uploaded")

// Uploaded is a certificate that the key manager now has.
type Uploaded struct {
	Certificate keymgr.Certificate
	StopsAt     time.Time // when the key manager stops using it, before it ends
}

// Upload gives a certificate of the register, by its fingerprint or the newest usable one if that is empty, to the key
// manager, reads it back, and notes in the register that the key manager has it. From then on signatures of its key
// verify, and those of the partner's other keys do not: the key manager uses one certificate at a time, without overlap.
// Doing it again is harmless, and the way to find out after a failure.
//
// The certificate passed our policy when it entered the register; a revoked or expired one is refused with
// [keymgr.ErrCertificate]. Other errors are keymgr.ErrNotFound, a [*Refused], [ErrOtherCertificate], or wrap
// keymgr.ErrUnavailable.
func (k *KeyManager) Upload(ctx context.Context, by audit.Actor, reference, fingerprint string) (Uploaded, error) {
	certificate, err := k.register.Usable(ctx, reference, fingerprint)
	if err != nil {
		return Uploaded{}, err
	}
	pem := string(keymgr.CertificatePEM(certificate.DER))
	if err := k.upload(ctx, reference, pem); err != nil {
		return Uploaded{}, fmt.Errorf("upload certificate to the key manager: %w", err)
	}
	// Only now may it be asked for: for an unknown reference id it would make a key pair.
	if err := k.readBack(ctx, reference, certificate); err != nil {
		return Uploaded{}, fmt.Errorf("read certificate back from the key manager: %w", err)
	}
	if err := k.register.Hold(ctx, by, k.Holder(), reference, certificate.Fingerprint); err != nil {
		return Uploaded{}, err
	}
	return Uploaded{Certificate: certificate, StopsAt: k.StopsAt(certificate)}, nil
}

// HandOver is for a certificate that was just added: it uploads it if the key manager has none of the partner yet. If it
// has one, the new one waits until the partner uses it, and handed is false: see [KeyManager.Upload].
func (k *KeyManager) HandOver(ctx context.Context, by audit.Actor, reference, fingerprint string) (uploaded Uploaded, handed bool, err error) {
	held, err := k.register.HeldBy(ctx, k.Holder(), reference)
	if held != "" || err != nil {
		return Uploaded{}, false, err
	}
	uploaded, err = k.Upload(ctx, by, reference, fingerprint)
	return uploaded, err == nil, err
}

func (c *Client) upload(ctx context.Context, reference, certificatePEM string) error {
	response, err := c.ask(ctx, callUpload, http.MethodPost, nil, map[string]string{
		"applicationId": c.ApplicationID, "referenceId": reference, "certificateData": certificatePEM,
	})
	if refused, ok := errors.AsType[*Refused](err); ok && len(refused.Codes) == 1 && (refused.has("KER-KMS-035") || refused.has("KER-KMS-027")) {
		return nil // it is there already; whether it really is that one is read back
	}
	if err != nil {
		return err
	}
	var status struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(response, &status); err != nil || status.Status != "Upload Success" {
		return unavailable("%s: the answer does not say that it succeeded", callUpload)
	}
	return nil
}

func (c *Client) readBack(ctx context.Context, reference string, want keymgr.Certificate) error {
	response, err := c.ask(ctx, callCertificate, http.MethodGet, url.Values{
		"applicationId": {c.ApplicationID}, "referenceId": {reference},
	}, nil)
	if err != nil {
		return err
	}
	var got struct {
		Certificate string `json:"certificate"`
	}
	if err := json.Unmarshal(response, &got); err != nil {
		return unavailable("%s: the answer has no certificate", callCertificate)
	}
	fingerprint, err := keymgr.FingerprintOf([]byte(got.Certificate))
	switch {
	case err != nil:
		return unavailable("%s: the answer has no certificate", callCertificate)
	case fingerprint != want.Fingerprint:
		return fmt.Errorf("%w: SHA-256 %s", ErrOtherCertificate, fingerprint)
	}
	return nil
}
