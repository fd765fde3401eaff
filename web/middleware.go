package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// FrontOptions say what stands before every handler of the public listener.
type FrontOptions struct {
	BaseURL  string
	Proxies  []netip.Prefix   // see [ParseProxies]
	Origins  func() []string  // see [SecureHeaders]; nil: none
	Log      *slog.Logger     // slog.Default() if nil
	Observe  func(Served)     // told about every request, for metrics; may be nil
	Panicked http.HandlerFunc // answers after a panic if the answer has not begun; [WriteFailure] if nil
	Now      func() time.Time // time.Now if nil
}

// Served is a request that was answered, without anything personal: the path is the route's pattern.
type Served struct {
	Method   string
	Route    string // empty: no route matched
	Status   int
	Bytes    int64
	Duration time.Duration
}

// Front puts everything around a handler that all requests need: an id, the security headers, the log, the recovery from
// panics, and the check that the request was meant for this service at all.
func Front(o FrontOptions, next http.Handler) (http.Handler, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("base_url must be an absolute URL")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Origins == nil {
		o.Origins = func() []string { return nil }
	}
	if o.Panicked == nil {
		o.Panicked = func(w http.ResponseWriter, r *http.Request) {
			WriteFailure(w, r, http.StatusInternalServerError)
		}
	}
	h := checkHost(base, next)
	h = behindProxies(o.Proxies, h)
	h = recovered(o, h)
	h = logged(o, h)
	h = SecureHeaders(base.Scheme == "https", o.Origins)(h)
	return withRequestID(h), nil
}

// checkHost answers only requests for the public URL. Whoever sends another Host was led here by somebody else's DNS or a
// wrong proxy. Whoever comes over plain http when the URL is https followed an old link: a page is answered with the right
// address, anything that was sent is refused, for it was readable on the way.
func checkHost(base *url.URL, next http.Handler) http.Handler {
	want := withoutPort(base.Host, base.Scheme)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := r.Context().Value(peerKey{}).(peer)
		if base.Scheme == "https" && p.plain && !p.near {
			if r.Method == http.MethodGet && strings.EqualFold(withoutPort(r.Host, "http"), want) {
				http.Redirect(w, r, base.Scheme+"://"+base.Host+r.URL.RequestURI(), http.StatusPermanentRedirect)
				return
			}
			WriteFailure(w, r, http.StatusMisdirectedRequest)
			return
		}
		switch host := withoutPort(r.Host, base.Scheme); {
		case strings.EqualFold(host, want):
		case sameMachine(host, want) && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
			// The session's cookie and the login provider know one name.
			http.Redirect(w, r, base.Scheme+"://"+base.Host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return
		case sameMachine(host, want):
		default:
			WriteFailure(w, r, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameMachine reports whether two hosts are names of the loopback interface with the same port, which nobody's DNS can
// make ours: a demonstration is reached as localhost as well as under the address it prints.
func sameMachine(a, b string) bool {
	aName, aPort := splitPort(a)
	bName, bPort := splitPort(b)
	return isLoopbackName(aName) && isLoopbackName(bName) && aPort == bPort
}

func splitPort(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return strings.Trim(host, "[]"), ""
	}
	return name, port
}

func isLoopbackName(name string) bool {
	return strings.EqualFold(name, "localhost") || name == "127.0.0.1" || name == "::1"
}

// withoutPort removes the port that the scheme has by itself.
func withoutPort(host, scheme string) string {
	if scheme == "http" {
		return strings.TrimSuffix(host, ":80")
	}
	return strings.TrimSuffix(host, ":443")
}

// recovered turns a panic into a 500. The panic's text may hold anything, so only its type is logged; a runtime error's
// text is the runtime's own.
func recovered(o FrontOptions, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &statusWriter{ResponseWriter: w}
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if value == http.ErrAbortHandler {
				panic(value)
			}
			what := fmt.Sprintf("%T", value)
			if err, ok := value.(runtime.Error); ok {
				what = err.Error()
			}
			o.Log.ErrorContext(r.Context(), "panic", "request_id", RequestID(r.Context()), "panic", what, "stack", string(debug.Stack()))
			if begun.status == 0 {
				o.Panicked(w, r)
				return
			}
			// Half an answer must not look like a whole one.
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(begun, r)
	})
}

type routeKey struct{}

// Route notes the pattern of the route in the request log: gin middleware, to be used by every engine. Other handlers
// call [NoteRoute].
func Route() gin.HandlerFunc {
	return func(c *gin.Context) {
		NoteRoute(c.Request.Context(), c.FullPath())
		c.Next()
	}
}

// NoteRoute says which route a request took, for the log and the metrics.
func NoteRoute(ctx context.Context, pattern string) {
	if route, ok := ctx.Value(routeKey{}).(*string); ok {
		*route = pattern
	}
}

// logged writes one line for each request: the route's pattern, never the path or the query, and no address.
func logged(o FrontOptions, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, route, sw := o.Now(), new(string), &statusWriter{ResponseWriter: w}
		defer func() {
			served := Served{Method: knownMethod(r.Method), Route: *route, Status: sw.status, Bytes: sw.bytes, Duration: o.Now().Sub(start)}
			if served.Status == 0 {
				served.Status = http.StatusOK
			}
			o.Log.InfoContext(r.Context(), "request", "request_id", RequestID(r.Context()), "method", served.Method, "route", served.Route,
				"status", served.Status, "bytes", served.Bytes, "duration_ms", float64(served.Duration.Microseconds())/1000)
			if o.Observe != nil {
				o.Observe(served)
			}
		}()
		next.ServeHTTP(sw, r.WithContext(context.WithValue(r.Context(), routeKey{}, route)))
	})
}

// knownMethod keeps what callers make up out of the log and the metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader remembers the final status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush is there because gin expects it of a ResponseWriter.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
