package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const partner = "BENCH-PARTNER"

// registry is a server on a filled database.
type registry struct {
	dir     string
	base    string
	key     crypto.Signer
	process *exec.Cmd
	log     *os.File
}

// newRegistry fills a database by the program's own commands and starts a server on it.
func newRegistry(ctx context.Context, o options, name, databaseURL string, rows int) (_ *registry, err error) {
	r := &registry{dir: filepath.Join(o.dir, name)}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, err
	}
	public, ops, err := freeAddresses()
	if err != nil {
		return nil, err
	}
	r.base = "http://" + public
	config := filepath.Join(r.dir, "spar.yaml")
	// A login provider must be named; nobody logs in here.
	text := fmt.Sprintf(`base_url: %s
listen: %s
ops_listen: %s
database: {url: "%s"}
keys: {dir: "%s/keys"}
mapper: {message_window: 1h}
limits: {items_per_second: 100000000, capacity: 1000000000, bulk_items_per_second: 100000000, bulk_capacity: 1000000000}
log: {level: warn}
login_providers:
  - {id: none, name: {en: None}, audience: beneficiary, issuer: "http://127.0.0.1:9", client_id: bench, client_auth: none, id_template: "token:{sub}@nationalid"}
`, r.base, public, ops, databaseURL, r.dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	command := func(args ...string) error {
		cmd := exec.CommandContext(ctx, o.spar, append(args, "--config", config)...)
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("spar %s: %w: %s", strings.Join(args, " "), err, output)
		}
		return nil
	}
	if err := command("migrate", "up"); err != nil {
		return nil, err
	}
	certificate := filepath.Join(r.dir, "partner.pem")
	if r.key, err = newPartnerKey(certificate); err != nil {
		return nil, err
	}
	if err := command("partner", "add", partner, "--name", "Bench", "--certificate", certificate, "--permit", "resolve,details,link,update,unlink"); err != nil {
		return nil, err
	}
	people := filepath.Join(r.dir, "people.csv")
	if err := writePeople(people, rows); err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := command("links", "import", people); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%s: %d links imported in %s\n", name, rows, time.Since(begin).Round(time.Second))
	_ = os.Remove(people)
	if r.log, err = os.Create(filepath.Join(r.dir, "server.log")); err != nil {
		return nil, err
	}
	r.process = exec.CommandContext(ctx, o.spar, "serve", "--config", config)
	r.process.Stdout, r.process.Stderr = r.log, r.log
	r.process.Cancel = func() error { return r.process.Process.Signal(syscall.SIGTERM) }
	if err := r.process.Start(); err != nil {
		return nil, err
	}
	return r, waitReady(ctx, "http://"+ops+"/readyz")
}

func (r *registry) close() error {
	_ = r.process.Process.Signal(syscall.SIGTERM)
	return errors.Join(r.process.Wait(), r.log.Close())
}

func waitReady(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the server does not become ready: see its log")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freeAddresses() (a, b string, err error) {
	for _, address := range []*string{&a, &b} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		*address = l.Addr().String()
	}
	return a, b, nil
}

// newPartnerKey makes a key and writes its certificate.
func newPartnerKey(certificate string) (crypto.Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: partner},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

func personID(n int) string { return fmt.Sprintf("token:%010d@nationalid", n) }

func personFA(n int) string { return fmt.Sprintf("account:%010d@%06d.ALPHA.bank_acc", n, n%1000) }

func writePeople(path string, rows int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	fmt.Fprintln(w, "id,fa,name,phone")
	for n := range rows {
		fmt.Fprintf(w, "%s,%s,Amara Okafor Lindqvist,+12025550123\n", personID(n), personFA(n))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}
