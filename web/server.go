package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// drainTime is how long requests that are being served may take to finish once the server shall stop.
const drainTime = 30 * time.Second

// Server serves a handler until its context ends.
type Server struct {
	Handler http.Handler
	TLS     *Certificate // nil: plain http
	Log     *slog.Logger // slog.Default() if nil
}

// Run serves on the listener, which it closes. When ctx ends it accepts no more connections, lets the requests under way
// finish, and returns nil.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	log := s.Log
	if log == nil {
		log = slog.Default()
	}
	server := &http.Server{
		Handler: s.Handler,
		// A client that is slow on purpose gets its connection closed, and no more than these bytes of our memory. The
		// largest header we expect is a full-form signature.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken handshakes and the like
	}
	watchFraming(server)
	failed := make(chan error, 1)
	go func() {
		if s.TLS == nil {
			failed <- server.Serve(framedListener{listener})
			return
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.TLS.get}
		failed <- server.ServeTLS(listener, "", "")
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("finish requests: %w", err), server.Close())
	}
	return nil
}
