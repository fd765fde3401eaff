package web_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spar/web"
)

// run serves a handler on a port of its own until stop is called; done yields what Run returned.
func run(t *testing.T, s *web.Server) (address string, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx, listener) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), cancel, result
}

func TestServerFinishesRequests(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	address, stop, done := run(t, &web.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-goOn
		io.WriteString(w, "finished")
	})})
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + address)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		answer <- string(text)
	}()
	<-begun
	stop()
	for {
		// The listener closes first: from then on nobody new gets in.
		conn, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		conn.Close()
	}
	close(goOn)
	if got := <-answer; got != "finished" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestServerRefusesHugeHeadersAndAmbiguousLengths(t *testing.T) {
	address, _, _ := run(t, &web.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	})})
	for name, request := range map[string]string{
		"431": "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"400": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		go fmt.Fprint(conn, request) // the server may stop reading before we are done
		// The answer's end must arrive, not a reset that makes the client throw the answer away.
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+name) {
			t.Errorf("got %q, %v, want %s", answer, err, name)
		}
		conn.Close()
	}
}

func TestServerLetsNoRequestBeSmuggled(t *testing.T) {
	address, _, _ := run(t, &web.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "[%s %s]", r.URL.Path, body)
	})})
	const (
		get     = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n"
		post    = "POST /first HTTP/1.1\r\nHost: x\r\n"
		encoded = "Transfer-Encoding: chunked\r\n"
		chunks  = "\r\n3\r\nabc\r\n0\r\n\r\n"
	)
	for name, c := range map[string]struct {
		send []string // each when the one before it was answered
		want string   // of all answers, the statuses and bodies
	}{
		"chunks alone":             {[]string{post + encoded + chunks}, "200[/first abc]"},
		"length and encoding":      {[]string{post + "Content-Length: 3\r\n" + encoded + chunks + get}, "400"},
		"encoding and length":      {[]string{post + encoded + "content-LENGTH: 3\r\n" + chunks + get}, "400"},
		"lines without CR":         {[]string{post + encoded + "Content-Length: 3\n" + chunks + get}, "400"},
		"old version":              {[]string{"POST /first HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 3\r\n" + encoded + "\r\nabc" + get}, "400"},
		"nothing follows chunks":   {[]string{post + encoded + chunks + get}, "200[/first abc]"},
		"one after the other":      {[]string{post + "Content-Length: 3\r\n\r\nabc", get, post + encoded + chunks}, "200[/first abc]200[/second ]200[/first abc]"},
		"ambiguous after another":  {[]string{get, post + "Content-Length: 3\r\n" + encoded + chunks + get}, "200[/second ]400"},
		"a name in the body":       {[]string{post + "Content-Length: 20\r\n\r\nTransfer-Encoding: \n", get}, "200[/first Transfer-Encoding: \n]200[/second ]"},
		"chunks in another's wake": {[]string{get + post + encoded + "Content-Length: 3\r\n" + chunks + get}, "200[/second ]400"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			in, got := bufio.NewReader(conn), ""
			answer := func() bool {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					return false
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				got += fmt.Sprint(resp.StatusCode)
				if resp.StatusCode == http.StatusOK {
					got += string(body)
				}
				return !resp.Close
			}
			for i, request := range c.send {
				fmt.Fprint(conn, request)
				if i < len(c.send)-1 && !answer() {
					t.Fatalf("the connection ended after %q", got)
				}
			}
			// A server that would serve the smuggled request, too, does not wait for this.
			conn.(*net.TCPConn).CloseWrite()
			for answer() {
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCertificateIsReloaded(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, certFile, keyFile, 1)
	certificate, err := web.LoadCertificate(certFile, keyFile, nil, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := run(t, &web.Server{TLS: certificate, Handler: http.NotFoundHandler()})
	serial := func() int64 {
		t.Helper()
		// The certificates are made up; the test reads them, it does not trust them.
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	want := func(what string, n int64) {
		t.Helper()
		if got := serial(); got != n {
			t.Errorf("%s: certificate %d, want %d", what, got, n)
		}
	}
	want("at the start", 1)
	writePair(t, certFile, keyFile, 2)
	want("right after", 1)
	c.Advance(6 * time.Second)
	want("a moment later", 2)
	if err := os.WriteFile(keyFile, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Advance(6 * time.Second)
	want("with a broken key", 2)
	writePair(t, certFile, keyFile, 3)
	c.Advance(6 * time.Second)
	want("with a good key again", 3)
	if _, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	if _, err := web.LoadCertificate(filepath.Join(dir, "none"), keyFile, nil, nil); err == nil {
		t.Error("a missing file is accepted")
	}
}

func writePair(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "spar"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
