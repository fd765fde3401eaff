package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/browsertest"
	"spar/internal/demo"
)

// An administrator takes a new bank through onboarding, sees why a call of theirs fails, rotates and revokes, with
// nothing but a browser; the bank has openssl. Once with scripts, and once without on a small screen.
func TestAdministration(t *testing.T) {
	t.Run("with scripts", func(t *testing.T) {
		administration(t, browsertest.Options{Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")})
	})
	t.Run("without scripts, on a small screen", func(t *testing.T) {
		administration(t, browsertest.Options{WithoutScripts: true, Width: 360})
	})
}

func administration(t *testing.T, options browsertest.Options) {
	d := startDemo(t)
	tab := browsertest.Open(t, options)
	tab.Visit(d.banner.BaseURL + "/admin")
	tab.Sees("Who are you today?")
	tab.Click("button[value=ines-carvalho]")
	tab.Sees("Overview")
	seen(tab, "overview")
	tab.Press("Partners")
	tab.Sees("Partners")
	seen(tab, "partners")

	tab.Press("Onboard a partner")
	tab.Sees("Onboard a partner")
	tab.Press("Continue")
	tab.Shows(".error-summary")
	seen(tab, "new-wrong")
	tab.Type("#name", "Lakeside Savings Bank")
	tab.Type("#reference_id", "LAKESIDE")
	tab.Press("Continue")
	tab.Sees("Certificate of Lakeside Savings Bank")
	seen(tab, "certificate")
	bank := newBank(t)
	tab.Choose("#file", bank.file("key.pem"))
	tab.Press("Look at it")
	tab.Shows(".error-summary")
	seen(tab, "certificate-private-key")
	tab.Choose("#file", bank.file("cert.pem"))
	tab.Press("Look at it")
	tab.Sees("Compare the fingerprint")
	seen(tab, "certificate-check")
	if got := tab.Text(".fingerprint"); strings.ReplaceAll(got, " ", ":") != bank.fingerprint() {
		t.Errorf("the fingerprint shown is %s, openssl says %s", got, bank.fingerprint())
	}
	tab.Click("label[for=compared-1]")
	tab.Press("Add the certificate")
	tab.Sees("What Lakeside Savings Bank may do")
	tab.Click("label[for=permissions-1]")
	seen(tab, "settings")
	tab.Press("Continue")
	tab.Sees("Activate Lakeside Savings Bank?")
	seen(tab, "activate")
	tab.Press("Activate")
	tab.Sees("Lakeside Savings Bank")
	seen(tab, "partner-new")
	finishAdministration(t, tab, d, bank)
}

func finishAdministration(t *testing.T, tab *browsertest.Tab, d *demonstration, bank bank) {
	t.Helper()
	person, _ := demo.PersonByKey("siobhan-okeefe")
	bank.resolve(d, person.MapperID(), "succ.id.active")
	bank.write("body.json", `{"header":{"sender_id":"LAKESIDE"},"message":{}}`)
	tab.Press("Try a signature")
	tab.Sees("Try a signature")
	seen(tab, "try")
	tab.Type("#signature", bank.sign("body.json"))
	tab.Type("#body", `{"header":{"sender_id":"LAKESIDE"},"message":{"changed":true}}`)
	tab.Press("Validate")
	tab.Shows(".trial")
	seen(tab, "try-failed")
	tab.Press("Back")
	tab.Press("Rotate")
	tab.Sees("New certificate of Lakeside Savings Bank")
	seen(tab, "rotate")
	tab.Press("Back")
	tab.Click(".certificate a")
	tab.Sees("Revoke this certificate?")
	seen(tab, "revoke")
	tab.Press("Revoke for ever")
	tab.Sees("Lakeside Savings Bank")
	bank.refused(d)
	seen(tab, "partner-revoked")
	tab.Press("Overview")
	tab.Sees("Overview")
	seen(tab, "overview-after")
	tab.Press("Authorities")
	tab.Sees("Trusted authorities")
	seen(tab, "authorities")
	tab.Press("Trust an authority")
	tab.Sees("Trust an authority")
	seen(tab, "authority")
	tab.Press("Audit log")
	tab.Sees("Audit log")
	seen(tab, "audit")
	tab.Press("Sign out")
	tab.Clean()
}

// seen checks a page, and keeps a picture of it.
func seen(tab *browsertest.Tab, name string) {
	tab.Accessible()
	tab.Picture(name)
}

// bank is a partner's own system: a directory with a key and a certificate, and openssl.
type bank struct {
	t   *testing.T
	dir string
}

func newBank(t *testing.T) bank {
	t.Helper()
	b := bank{t, t.TempDir()}
	b.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", b.file("key.pem"), "-out", b.file("cert.pem"), "-days", "365",
		"-subj", "/CN=Lakeside Savings Bank", "-addext", "keyUsage=critical,digitalSignature", "-addext", "basicConstraints=critical,CA:FALSE")
	return b
}

func (b bank) file(name string) string { return filepath.Join(b.dir, name) }

func (b bank) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.file(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b bank) run(name string, args ...string) string {
	b.t.Helper()
	output, err := exec.CommandContext(b.t.Context(), name, args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %v: %s", name, err, output)
	}
	return strings.TrimSpace(string(output))
}

// fingerprint is the certificate's, as openssl prints it.
func (b bank) fingerprint() string {
	_, value, _ := strings.Cut(b.run("openssl", "x509", "-in", b.file("cert.pem"), "-noout", "-fingerprint", "-sha256"), "=")
	return value
}

// sign makes the value of a Signature header, as the guide for partners says.
func (b bank) sign(body string) string {
	b.t.Helper()
	return b.run("sh", "-c", `base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
header=$(printf '{"alg":"RS256","typ":"JWT"}' | base64url)
printf '%s..%s' "$header" "$(printf '%s.%s' "$header" "$(base64url < "$1")" | openssl dgst -sha256 -sign "$2" -binary | base64url)"`,
		"sh", b.file(body), b.file("key.pem"))
}

// call asks whether an account is linked, and returns what the registry answered.
func (b bank) call(d *demonstration, id string) string {
	b.t.Helper()
	command := demo.ResolveCommand(d.banner.BaseURL, b.file("key.pem"), id)
	return b.run("sh", "-c", strings.NewReplacer(demo.SampleBank, "LAKESIDE", `"scope":"details"`, `"scope":"yes_no"`).Replace(command))
}

func (b bank) resolve(d *demonstration, id, want string) {
	b.t.Helper()
	if got := b.call(d, id); !strings.Contains(got, want) || strings.Contains(got, `"fa"`) {
		b.t.Errorf("the bank is answered %s, want %s", got, want)
	}
}

func (b bank) refused(d *demonstration) {
	b.t.Helper()
	if got := b.call(d, "token:1@nationalid"); !strings.Contains(got, "err.signature.invalid") {
		b.t.Errorf("the bank is answered %s", got)
	}
}
