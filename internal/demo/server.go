package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// ProviderAddress is where the demo's login provider listens unless told otherwise.
	ProviderAddress = "127.0.0.1:8081"

	beneficiaryClient = "spar"
	staffClient       = "spar-admin"
)

// Server is the login provider on its own loopback port, serving the portal of one base URL.
type Server struct {
	*Provider
	Inbox     *Inbox
	clientKey string
	listener  net.Listener
	server    *http.Server
}

// Listen makes the keys that are missing in dir, and takes the address, or any other port of it that is free if somebody
// else has it. It refuses an address that is not a loopback one: everybody who reaches the provider can be anybody.
// Nothing is answered before [Server.Run].
func Listen(dir, address, baseURL string) (*Server, error) {
	s := &Server{clientKey: filepath.Join(dir, "login-client.pem")}
	key, err := RSAKey(filepath.Join(dir, "login-provider.pem"))
	if err != nil {
		return nil, err
	}
	clientKey, err := RSAKey(s.clientKey)
	if err != nil {
		return nil, err
	}
	if s.listener, err = listenLoopback(address); err != nil {
		return nil, err
	}
	if s.Inbox, err = newInbox(time.Now); err != nil {
		s.listener.Close()
		return nil, err
	}
	base := strings.TrimSuffix(baseURL, "/")
	client := Client{
		ID: beneficiaryClient, Name: "The payment account portal", Key: clientKey.Public(),
		RedirectURIs: []string{base + "/oauth2/callback"}, PostLogoutRedirectURIs: []string{base + "/", base},
	}
	staff := client
	staff.ID, staff.Name, staff.Staff = staffClient, "The administration of the payment account portal", true
	s.Provider, err = NewProvider(ProviderOptions{
		Issuer: "http://" + s.listener.Addr().String(), Key: key, Clients: []Client{client, staff}, Inbox: s.Inbox,
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.server = &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
	}
	return s, nil
}

func listenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("demo login provider: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("demo login provider: %s is not a loopback address", host)
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		listener, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, fmt.Errorf("demo login provider: %w", err)
	}
	return listener, nil
}

// InboxURL is where the messages are shown that people get.
func (s *Server) InboxURL() string { return s.Issuer() + inboxPath }

// SMSURL is the SMS gateway's.
func (s *Server) SMSURL() string { return s.Issuer() + smsPath }

// Run serves until ctx ends, then lets requests under way finish for a moment.
func (s *Server) Run(ctx context.Context) error {
	mailed := make(chan error, 1)
	go func() { mailed <- s.Inbox.run() }()
	err := s.serve(ctx)
	s.Inbox.close()
	return errors.Join(err, <-mailed)
}

func (s *Server) serve(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := s.server.Shutdown(end)
		if errors.Is(err, context.DeadlineExceeded) { // a connection that never asked for anything is not waited for longer
			err = s.server.Close()
		}
		stopped <- err
	}()
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("demo login provider: %w", err)
	}
	return <-stopped
}

// Close gives the address back where Run was never called.
func (s *Server) Close() error {
	s.Inbox.close()
	return s.listener.Close()
}
