package web

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
)

// A request that states its length twice, by Content-Length and by Transfer-Encoding, is how a second request is smuggled
// past a proxy that believes the other one (RFC 9112 section 6.3). The http package silently prefers the encoding and
// keeps the connection, so the header lines are watched where they arrive.

// framedListener watches the connections it accepts. They must carry plain HTTP/1.
type framedListener struct{ net.Listener }

// Accept waits for the next connection.
func (l framedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: conn}, nil
}

// framedConn remembers by which header lines the request that is being served states its length.
type framedConn struct {
	net.Conn

	mu       sync.Mutex // the http package reads ahead while a handler runs
	line     []byte     // the beginning of the line that is arriving
	length   bool       // there is a Content-Length
	encoding bool       // there is a Transfer-Encoding
	whole    bool       // the header has ended
}

// framingHeaders are compared with the beginning of each line, which is all that is kept of it.
var contentLength, transferEncoding = []byte("content-length:"), []byte("transfer-encoding:")

// Read passes on what arrives.
func (c *framedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := p[:n]; len(rest) > 0 && !c.whole; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		c.line = append(c.line, line[:min(len(line), len(transferEncoding)-len(c.line))]...)
		if rest = after; ended {
			c.endLine()
		}
	}
	return n, err
}

func (c *framedConn) endLine() {
	c.length = c.length || bytes.EqualFold(c.line[:min(len(c.line), len(contentLength))], contentLength)
	c.encoding = c.encoding || bytes.EqualFold(c.line, transferEncoding)
	c.whole = len(bytes.TrimRight(c.line, "\r")) == 0
	c.line = c.line[:0]
}

// CloseWrite is how the http package ends a connection so that its last answer still arrives.
func (c *framedConn) CloseWrite() error {
	if conn, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return conn.CloseWrite()
	}
	return nil
}

// served makes ready for the connection's next request.
func (c *framedConn) served() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line, c.length, c.encoding, c.whole = c.line[:0], false, false, false
}

// ambiguous reports whether the request states its length twice. A header that arrived together with the request before
// it was not seen, so that its encoding is taken for ambiguous too; no client of ours sends requests in one go.
func (c *framedConn) ambiguous(chunked bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.length && c.encoding || chunked && !c.whole
}

type framedKey struct{}

// watchFraming refuses requests of ambiguous length. The listener must be a [framedListener], unless it is one for TLS,
// where nothing that routes by requests is in between. Nothing is accepted after a body without a stated length, which
// leaves a smuggled request nowhere to go.
func watchFraming(server *http.Server) {
	next := server.Handler
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, framedKey{}, c) }
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if framed, ok := c.(*framedConn); ok && state == http.StateIdle {
			framed.served()
		}
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunked := len(r.TransferEncoding) > 0
		if chunked && r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		if framed, ok := r.Context().Value(framedKey{}).(*framedConn); ok && framed.ambiguous(chunked) {
			w.Header().Set("Connection", "close")
			http.Error(w, "400 Bad Request: ambiguous length", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
