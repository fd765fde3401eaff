package web

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often at most the files are looked at.
const certificateCheck = 5 * time.Second

// Certificate is a TLS certificate that is read again when its files change, so that renewing it needs no restart.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu        sync.Mutex
	current   *tls.Certificate
	version   string
	checkedAt time.Time
}

// LoadCertificate reads a certificate chain and its key, both PEM. log and now may be nil.
func LoadCertificate(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, now: now}
	if c.log == nil {
		c.log = slog.Default()
	}
	if c.now == nil {
		c.now = time.Now
	}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Certificate) read() error {
	// The version is taken first: files that change while they are read are read again.
	version := c.fileVersion()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load TLS certificate: %w", err)
	}
	c.current, c.version, c.checkedAt = &pair, version, c.now()
	return nil
}

func (c *Certificate) fileVersion() string {
	version := ""
	for _, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return "unreadable"
		}
		version += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
	}
	return version
}

// get returns the current certificate. New files that do not fit together, as they do for a moment while they are being
// replaced, leave the old one in use.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checkedAt) >= certificateCheck {
		c.checkedAt = now
		if c.fileVersion() != c.version {
			if err := c.read(); err != nil {
				c.log.Warn("new TLS certificate not usable, the old one stays", "error", err)
			} else {
				c.log.Info("TLS certificate reloaded")
			}
		}
	}
	return c.current, nil
}
